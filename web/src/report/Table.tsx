import type { Mark } from "../api/types";
import { Letter } from "../ui/marks";
import { change, type Differential, interval, percent } from "./differential";

/** Every type's count and share before and after review. */
export function Table({ differential, marks }: { differential: Differential; marks: Map<string, Mark> }) {
  const { rows, apart, erythroblasts_per_100: per100, unsure, unreviewed } = differential;
  const sum = (when: "before" | "after") => rows.reduce((total, row) => total + row[when].count, 0);
  return (
    <>
      <table className="table differential">
        <caption className="visually-hidden">Differential before and after review</caption>
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              Type
            </th>
            <th scope="colgroup" colSpan={2}>
              Before review
            </th>
            <th scope="colgroup" colSpan={4}>
              After review
            </th>
          </tr>
          <tr>
            <th scope="col">cells</th>
            <th scope="col">share</th>
            <th scope="col">cells</th>
            <th scope="col">share</th>
            <th scope="col">95% interval</th>
            <th scope="col">change</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label} data-type={row.label}>
              <th scope="row">
                <Letter mark={marks.get(row.label)} /> {row.title}
              </th>
              <td>{row.before.count}</td>
              <td>{percent(row.before.share)}</td>
              <td className="now">{row.after.count}</td>
              <td className="now">{percent(row.after.share)}</td>
              <td className="quiet">{interval(row.after)}</td>
              <td>{change(row)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Leukocytes</th>
            <td>{sum("before")}</td>
            <td />
            <td className="now">{sum("after")}</td>
            <td colSpan={3} />
          </tr>
        </tfoot>
      </table>
      <dl className="report-apart">
        {per100 !== null && per100 !== undefined && (
          <div>
            <dt>Erythroblasts for 100 leukocytes</dt>
            <dd>{per100.toFixed(1)}</dd>
          </div>
        )}
        {Object.entries(apart).map(([name, count]) => (
          <div key={name} data-apart={name}>
            <dt>{marks.get(name)?.title ?? name}s, counted apart</dt>
            <dd>{count.after}</dd>
          </div>
        ))}
        <div>
          <dt>Unsure, counted nowhere</dt>
          <dd>{unsure}</dd>
        </div>
        <div>
          <dt>Without a person's label</dt>
          <dd>{unreviewed}</dd>
        </div>
      </dl>
    </>
  );
}
