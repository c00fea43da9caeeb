import type { DifferentialShown, ClassShown as Mark } from "../api/schema";
import { Letter } from "../ui/marks";
import { change, interval, notReviewed, ofPlatelets, per100, percent } from "./differential";

/** Every type's count: by the model alone, by people, of cells not reviewed, and together with its share. */
export function Table({ differential, marks }: { differential: DifferentialShown; marks: Map<string, Mark> }) {
  const { rows, apart, excluded, unsure, unreviewed, unusual } = differential;
  const listed = new Set(rows.map(({ label }) => label));
  const sum = (of: (row: (typeof rows)[number]) => number | null) =>
    shown(rows.reduce<number | null>((total, row) => plus(total, of(row)), 0));
  return (
    <>
      <table className="table differential">
        <caption className="visually-hidden">
          Differential: by the model alone, reviewed by people, not reviewed, and counted together
        </caption>
        <colgroup span={1} />
        <colgroup span={2} />
        <colgroup span={2} />
        <colgroup span={4} />
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              Type
            </th>
            <th scope="colgroup" colSpan={2}>
              Model alone
            </th>
            <th scope="colgroup" colSpan={2}>
              Cells now
            </th>
            <th scope="colgroup" colSpan={4}>
              Counted
            </th>
          </tr>
          <tr>
            <th scope="col" className="first">
              cells
            </th>
            <th scope="col">share</th>
            <th scope="col" className="first">
              reviewed by people
            </th>
            <th scope="col">not reviewed</th>
            <th scope="col" className="first">
              cells
            </th>
            <th scope="col">share</th>
            <th scope="col">95% interval</th>
            <th scope="col">change</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label} data-type={row.label} data-counted={row.after.count}>
              <th scope="row" className={row.parent && listed.has(row.parent) ? "type-finer" : ""}>
                <Letter mark={marks.get(row.label)} /> {row.title}
                {rows.some(({ parent }) => parent === row.label) && <span className="quiet"> not told finer</span>}
              </th>
              <td className="first">{row.before.count}</td>
              <td>{percent(row.before.share)}</td>
              <td className="first">{shown(row.reviewed)}</td>
              <td>{shown(notReviewed(row))}</td>
              <td className="first now">{row.after.count}</td>
              <td className="now">{percent(row.after.share)}</td>
              <td className="quiet">{interval(row.after)}</td>
              <td>{change(row)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr data-counted={differential.total}>
            <th scope="row">Leukocytes</th>
            <td className="first">{sum((row) => row.before.count)}</td>
            <td />
            <td className="first">{sum((row) => row.reviewed)}</td>
            <td>{sum(notReviewed)}</td>
            <td className="first now">{sum((row) => row.after.count)}</td>
            <td colSpan={3} />
          </tr>
        </tfoot>
      </table>
      <dl className="report-apart">
        {Object.entries(apart).map(([name, count]) => (
          <div key={name} data-apart={name}>
            <dt>{count.title ?? marks.get(name)?.title ?? name}, counted apart</dt>
            <dd>
              {count.after}
              {per100(differential, name) !== null && (
                <span className="quiet">
                  {" "}
                  · {per100(differential, name)!.toFixed(1)} for 100 leukocytes
                  {Object.values(apart).some(({ parent }) => parent === name) && ", with its finer types"}
                </span>
              )}
              {ofPlatelets(differential, name) && (
                <span className="quiet"> · seen on these pictures; no count of platelets</span>
              )}
            </dd>
          </div>
        ))}
        {Object.entries(excluded).map(([name, count]) => (
          <div key={name} data-excluded={name}>
            <dt>{count.title ?? marks.get(name)?.title ?? name}, excluded</dt>
            <dd>{count.after}</dd>
          </div>
        ))}
        <div>
          <dt>Unsure, counted nowhere</dt>
          <dd>{unsure}</dd>
        </div>
        <div>
          <dt>Not reviewed by a person</dt>
          <dd>{unreviewed}</dd>
        </div>
        {unusual !== null && (
          <div>
            <dt>Of these unusual</dt>
            <dd>{unusual}</dd>
          </div>
        )}
      </dl>
    </>
  );
}

const plus = (one: number | null, other: number | null) => (one === null || other === null ? null : one + other);

/** A number, or a dash where an old record does not say. */
const shown = (count: number | null) => count ?? "–";
