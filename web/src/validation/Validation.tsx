import { Dossiers } from "./Dossiers";
import { Drift } from "./Drift";

/** Whether the model is good enough for this laboratory, and whether it still is. */
export default function Validation() {
  return (
    <div className="sheet sheet-wide validation">
      <h1>Validation</h1>
      <Drift />
      <Dossiers />
    </div>
  );
}
