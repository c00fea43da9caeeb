import { address } from "../api/client";
import type { ReportOfRecord } from "../api/schema";
import { useProjectContext } from "../project/context";
import { ESTIMATES, GRADES, PLATELETS, RED_CELLS } from "./words";
import "./findings.scss";

/** What a signed report says besides counts, as it was signed. */
export function Signed({ report }: { report: ReportOfRecord }) {
  const { project } = useProjectContext();
  const { remark, grades, platelets, cells } = report;
  const graded = Object.entries({ ...RED_CELLS, ...PLATELETS }).filter(([name]) => grades[name] !== undefined);
  if (!remark && !graded.length && !platelets && !cells.length) return null;
  return (
    <section className="findings" aria-labelledby="findings-title">
      <h2 id="findings-title">On the report</h2>
      {remark && <p className="findings-text">{remark}</p>}
      {(graded.length > 0 || platelets) && (
        <p>
          {[
            ...graded.map(([name, title]) => `${title} ${grades[name]} (${GRADES[grades[name]!]})`),
            ...(platelets ? [`Platelets, estimated: ${ESTIMATES[platelets]}`] : []),
          ].join(" · ")}
        </p>
      )}
      {cells.length > 0 && (
        <ul className="findings-cells">
          {cells.map((cell) => (
            <li key={cell}>
              <img src={address(`/projects/${project.id}/images/${cell}/thumbnail`)} alt={`Cell ${cell}`} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
