import { useMemberNames } from "../api/queries";
import type { AgreementShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";
import { percent, strength } from "./differential";

/** Labelled cells below which a kappa says nothing: its interval spans most of the scale. */
const ENOUGH = 20;

interface AgreesProps {
  agreement: AgreementShown | undefined;
  /** Why it could not be counted. */
  failed: unknown;
  retry: () => void;
}

/** How far people and model, and people among one another, say the same of the cells that were labelled one by one. */
export function Agrees({ agreement, failed, retry }: AgreesProps) {
  const { project } = useProjectContext();
  const who = useMemberNames(project.id);
  const model = agreement?.human_model;
  return (
    <section className="report-agreement">
      <h2>Agreement</h2>
      <FaultLine
        fault={failed}
        means={agreement ? "Agreement could not be counted anew: it is of before." : "Agreement could not be counted."}
        retry={retry}
      />
      {model && model.n > 0 ? (
        <p>
          People and model agree on {model.agreement !== null && percent(model.agreement)} of{" "}
          {model.n.toLocaleString("en")} labelled cells.
          {model.kappa !== null && model.n < ENOUGH && <span className="quiet"> Too few for a kappa.</span>}
          {model.kappa !== null && model.n >= ENOUGH && (
            <>
              <br />
              Kappa {model.kappa.toFixed(2)}{" "}
              <span className="quiet">
                {model.low !== null && model.high !== null && `${model.low.toFixed(2)} to ${model.high.toFixed(2)}, `}
                {strength(model.kappa)}
              </span>
            </>
          )}
        </p>
      ) : failed ? null : (
        <p className="quiet">No cell has been labelled one by one yet.</p>
      )}
      {agreement && agreement.in_bulk.cells > 0 && (
        <p className="quiet">
          {agreement.in_bulk.cells.toLocaleString("en")} cells were labelled many at once,{" "}
          {agreement.in_bulk.as_read.toLocaleString("en")} of them as the model had read them: no measurement, and not
          counted here.
        </p>
      )}
      {agreement?.humans.map(({ a, b, kappa, n }) => (
        <p key={`${a} ${b}`}>
          {who(a)} and {who(b)}: {kappa === null ? "too few cells" : `kappa ${kappa.toFixed(2)}`}{" "}
          <span className="quiet">on {n} cells</span>
        </p>
      ))}
    </section>
  );
}
