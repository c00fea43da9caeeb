import type { ClassShown as Mark, MovedRow } from "../api/schema";
import { Letter } from "../ui/marks";

interface Props {
  title: string;
  about: string;
  none: string;
  moved: MovedRow[];
  marks: Map<string, Mark>;
}

/** How many cells went from which type to which, with their total. */
export function Reclassified({ title, about, none, moved, marks }: Props) {
  const named = (name: string) => marks.get(name)?.title ?? (name === "?" ? "Unsure" : name);
  const total = moved.reduce((sum, { count }) => sum + count, 0);
  return (
    <section>
      <h2>
        {title}
        {total > 0 && <span className="quiet"> {total}</span>}
      </h2>
      {moved.length ? (
        <table className="table reclassified">
          <caption className="visually-hidden">{about}</caption>
          <thead className="visually-hidden">
            <tr>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col">Cells</th>
            </tr>
          </thead>
          <tbody>
            {moved.map(({ from, to, count }) => (
              <tr key={`${from} ${to}`}>
                <td>
                  <Letter mark={marks.get(from)} />
                  {"\u00a0"}
                  {named(from)}
                </td>
                <td>
                  <span className="quiet" aria-hidden="true">
                    →
                  </span>{" "}
                  <Letter mark={marks.get(to)} />
                  {"\u00a0"}
                  {named(to)}
                </td>
                <td>{count}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="quiet">{none}</p>
      )}
    </section>
  );
}
