import { useProjectState } from "../project/context";
import { useSigning } from "../signing/queries";
import { useFindings, useFindingsChange } from "./queries";

/** Whether the report of the case in hand shows a cell, and the way to change that. */
export function OnReport({ image }: { image: number }) {
  const ofCase = useProjectState((state) => state.case);
  const findings = useFindings(ofCase).data;
  const locked = useSigning(ofCase, false).data?.locked ?? true;
  const change = useFindingsChange(ofCase);
  if (!ofCase || !findings || locked) return null;
  const shown = findings.cells.includes(image);
  return (
    <button
      type="button"
      className="bin-act"
      aria-pressed={shown}
      title={change.error ? change.error.message : "The report shows this cell"}
      onClick={() => change.mutate(() => (shown ? { remove: [image] } : { add: [image] }))}
    >
      on the report
    </button>
  );
}
