import type { ClassShown as Mark, PanelResults, PanelShown, ReaderResultShown } from "../api/schema";
import { when } from "../ui/time";
import { bounds, byCase, confused, nameIn, seconds } from "./figures";

interface ReadersProps {
  readers: ReaderResultShown[];
  pairs: PanelResults["pairs"];
  panel: PanelShown;
}

/** How often each reader is right, by the consensus and by marks, and how alike each two read. */
export function Readers({ readers, pairs, panel }: ReadersProps) {
  /** Whether there are marks to be right by. */
  const marked = panel.kind === "proficiency";
  const { timed } = panel;
  const planted = panel.planted > 0;
  return (
    <section>
      <h2>Readers</h2>
      <table className="panel-readers">
        <thead>
          <tr>
            <th>Reader</th>
            <th>Read</th>
            <th>Unsure</th>
            <th>With themselves</th>
            <th>Right, by the consensus</th>
            {marked && <th>Right, by the marks</th>}
            {marked && <th>Right by the marks, aided</th>}
            {timed && <th>Time a cell</th>}
            {timed && <th>Time a cell, aided</th>}
            {timed && <th>Time a case</th>}
            {timed && <th>Time a case, aided</th>}
            {planted && <th>Planted readings kept</th>}
            {planted && <th>Given blind already</th>}
          </tr>
        </thead>
        <tbody>
          {readers.map((one) => (
            <tr key={one.user}>
              <th scope="row">{one.name}</th>
              <td>{one.read}</td>
              <td>{one.unsure}</td>
              <td>{one.own ? `${bounds(one.own)}, ${one.own_cells} cells` : ""}</td>
              <td>{bounds(one.accuracy)}</td>
              {marked && <td>{bounds(one.score)}</td>}
              {marked && <td>{bounds(one.aided_score)}</td>}
              {timed && <td>{seconds(one.median_ms)}</td>}
              {timed && <td>{seconds(one.aided_ms)}</td>}
              {timed && <td>{seconds(one.case_ms)}</td>}
              {timed && <td>{seconds(one.aided_case_ms)}</td>}
              {planted && <td>{bounds(one.followed)}</td>}
              {planted && <td>{bounds(one.misled)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      <ul className="panel-pairs">
        {pairs.map((pair) => (
          <li key={`${pair.a}-${pair.b}`}>
            {nameIn(panel, pair.a)} and {nameIn(panel, pair.b)}: kappa {bounds(pair.kappa) || "says nothing"} on{" "}
            {pair.n} cells
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How long each reader took over the cells of each case. */
export function Times({ rows, readers }: { rows: PanelResults["times"]; readers: ReaderResultShown[] }) {
  if (rows.length === 0) return null;
  const aided = rows.some(({ aided_ms }) => aided_ms !== null);
  return (
    <section>
      <h2>Time a case</h2>
      <table className="panel-times">
        <thead>
          <tr>
            <th>Case</th>
            <th>Reader</th>
            <th>Cells</th>
            <th>Blind</th>
            {aided && <th>Aided</th>}
          </tr>
        </thead>
        <tbody>
          {byCase(rows).map((row) => (
            <tr key={`${row.case}-${row.user}`}>
              <th scope="row">{row.key}</th>
              <td>{readers.find((one) => one.user === row.user)?.name}</td>
              <td>{row.cells}</td>
              <td>{seconds(row.blind_ms)}</td>
              {aided && <td>{seconds(row.aided_ms)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What each reader took for what, by the consensus or the marks; what was right is no confusion. */
export function Confusions({
  readers,
  marks,
  marked,
}: {
  readers: ReaderResultShown[];
  marks: Map<string, Mark>;
  marked: boolean;
}) {
  const title = (name: string) => (name === "?" ? "unsure" : (marks.get(name)?.title ?? name));
  return (
    <section aria-label="Confusions">
      <h2>
        Confusions <span className="quiet">(blind, against the {marked ? "marks" : "consensus"})</span>
      </h2>
      <table className="panel-confusions">
        <thead>
          <tr>
            <th>Reader</th>
            <th>Took for another type</th>
          </tr>
        </thead>
        <tbody>
          {readers.map((one) => {
            const found = confused(one.confusion);
            return (
              <tr key={one.user}>
                <th scope="row">{one.name}</th>
                <td>
                  {found
                    .map(({ reference, said, count }) => `${title(reference)} read as ${title(said)} ${count}`)
                    .join(" · ") || "none"}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** A page that a reader can print: what was read, against which marks, and with which score. */
export function Certificates({ panel, readers }: { panel: PanelShown; readers: ReaderResultShown[] }) {
  return (
    <section className="panel-certificates">
      {readers.map((one) => (
        <div key={one.user} className="panel-certificate">
          <h2>{one.name}</h2>
          <p>
            named {one.read} cells of the marked set “{panel.title}” and {one.score ? "has" : "has no"}{" "}
            {one.score && <strong>{(100 * one.score.value).toFixed(0)}%</strong>} right{" "}
            {one.score && (
              <span className="quiet">
                (95% interval {(100 * one.score.low).toFixed(0)} to {(100 * one.score.high).toFixed(0)}%; unsure counts
                as wrong)
              </span>
            )}
          </p>
          {one.aided_score && (
            <p>
              With the model's reading shown: {(100 * one.aided_score.value).toFixed(0)}%{" "}
              <span className="quiet">
                (95% interval {(100 * one.aided_score.low).toFixed(0)} to {(100 * one.aided_score.high).toFixed(0)}%)
              </span>
            </p>
          )}
          <p className="quiet">
            {when(panel.closed_at ?? panel.created_at)} · HemoSight · a figure on these cells, no licence to practise
          </p>
        </div>
      ))}
    </section>
  );
}
