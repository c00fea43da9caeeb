import type { Mark } from "../api/types";
import { Letter } from "../ui/marks";
import type { Moved } from "./differential";

/** Which types the review turned into which. */
export function Reclassified({ moved, marks }: { moved: Moved[]; marks: Map<string, Mark> }) {
  const title = (name: string) => marks.get(name)?.title ?? (name === "?" ? "Unsure" : name);
  return (
    <section>
      <h2>Reclassified</h2>
      {moved.length ? (
        <table className="table reclassified">
          <caption className="visually-hidden">Cells that the review moved to another type</caption>
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
                  <Letter mark={marks.get(from)} /> {title(from)}
                </td>
                <td>
                  <span className="quiet" aria-hidden="true">
                    →
                  </span>{" "}
                  <Letter mark={marks.get(to)} /> {title(to)}
                </td>
                <td>{count}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="quiet">The review changed no type.</p>
      )}
    </section>
  );
}
