import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { Button, Form } from "react-bootstrap";
import { address, api, body } from "../api/client";
import { saveAnswer } from "../api/download";
import type { CellResultShown, ClassShown as Mark, PanelResults, PanelShown, ReaderResultShown } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { byName } from "../report/differential";
import { inks, Letter } from "../ui/marks";
import { Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import { bounds, byCase, confused, seconds } from "./figures";
import { LOOK_AGAIN, panelsKey } from "./Panels";

/** Cells on which all agree that are shown beside those on which they differ. */
const SHOWN = 60;

/** What a closed session came to: agreement, readers, every cell side by side. */
export function Results({ panel }: { panel: PanelShown }) {
  const { project } = useProjectContext();
  const classes = useProjectState((state) => state.columns.classes);
  const marks = useMemo(() => byName(classes), [classes]);
  const path = { project: project.id, panel: panel.id };
  const queries = useQueryClient();
  const results = useQuery({
    queryKey: [...panelsKey(project.id), panel.id, "results"],
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/panels/{panel}/results", { params: { path }, signal })),
    refetchInterval: LOOK_AGAIN,
  });
  // What is taken away is noted, so it is asked for and not a link.
  const take = useMutation({
    mutationFn: (what: "readings" | "reference") =>
      api.POST(`/projects/{project}/panels/{panel}/${what}/export`, { params: { path }, parseAs: "blob" }),
    onSuccess: saveAnswer,
  });
  const teach = useMutation({
    mutationFn: (teaches: boolean) =>
      body(api.PUT("/projects/{project}/panels/{panel}/teaching", { params: { path }, body: { teaches } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: panelsKey(project.id) }),
  });
  if (results.isPending) return <Loading what="Comparing the readers" />;
  if (results.isError) return <Failure fault={results.error} retry={() => results.refetch()} />;
  const { together, readers, cells } = results.data;
  const differing = cells.filter((cell) => cell.differing);
  const decided = differing.filter((cell) => cell.decision).length;
  return (
    <article className="sheet sheet-wide panel-results">
      <header>
        <h1>{panel.title}</h1>
        <p className="quiet">
          {panel.cells} cells, {panel.readers.length} readers, closed {when(panel.closed_at ?? panel.created_at)} ·{" "}
          <Button variant="link" size="sm" onClick={() => take.mutate("readings")} disabled={take.isPending}>
            Readings (CSV)
          </Button>{" "}
          ·{" "}
          <Button variant="link" size="sm" onClick={() => take.mutate("reference")} disabled={take.isPending}>
            Reference (CSV)
          </Button>
        </p>
        {project.role === "admin" && !project.archived && (
          <Form.Check
            id="panel-teaches"
            label="The model learns what the panel agreed on: cells that nobody labelled, each type by its probability"
            checked={panel.teaches}
            disabled={teach.isPending}
            onChange={(event) => teach.mutate(event.target.checked)}
          />
        )}
        <FaultLine fault={take.error ?? teach.error} />
      </header>
      {panel.kind === "proficiency" ? <Certificates panel={panel} readers={readers} /> : null}
      <Together rows={together} marks={marks} />
      {project.role !== "admin" && (
        <p className="quiet">
          How each person reads is told to administrators of the project, and to everybody of themselves.
        </p>
      )}
      {readers.length > 0 && (
        <>
          <Readers readers={readers} pairs={results.data.pairs} panel={panel} />
          <Times rows={results.data.times} readers={readers} />
          <Confusions readers={readers} marks={marks} marked={panel.kind === "proficiency"} />
        </>
      )}
      <section>
        <h2>
          Differences{" "}
          <span className="quiet">
            ({differing.length}, {decided} decided)
          </span>
        </h2>
        {differing.length === 0 && <p className="quiet">All readers agree on every cell.</p>}
        <div className="panel-cells">
          {differing.map((cell) => (
            <Cell key={cell.image} panel={panel} cell={cell} marks={marks} />
          ))}
        </div>
      </section>
      <section>
        <h2>Agreed</h2>
        <div className="panel-cells">
          {cells
            .filter((cell) => !cell.differing)
            .slice(0, SHOWN)
            .map((cell) => (
              <Cell key={cell.image} panel={panel} cell={cell} marks={marks} />
            ))}
        </div>
      </section>
    </article>
  );
}

/** What a reader of a panel is called. */
const nameIn = (panel: PanelShown, user: number) =>
  panel.readers.find((one) => one.user === user)?.name ?? `person ${user}`;

function Together({ rows, marks }: { rows: PanelResults["together"]; marks: Map<string, Mark> }) {
  if (rows.length === 0) return <p className="quiet">No cell was read by two people.</p>;
  return (
    <section>
      <h2>Agreement</h2>
      <table className="panel-agreement">
        <thead>
          <tr>
            <th>Type</th>
            <th>Say the same</th>
            <th>Gwet's AC1</th>
            <th>Fleiss' kappa</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.what}>
              <th scope="row">{row.what === "all" ? "All types" : (marks.get(row.what)?.title ?? row.what)}</th>
              <td>{row.share === null ? "" : `${(100 * row.share).toFixed(1)}%`}</td>
              <td>{bounds(row.ac1)}</td>
              <td>{bounds(row.fleiss)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface ReadersProps {
  readers: ReaderResultShown[];
  pairs: PanelResults["pairs"];
  panel: PanelShown;
}

function Readers({ readers, pairs, panel }: ReadersProps) {
  /** Whether there are marks to be right by. */
  const marked = panel.kind === "proficiency";
  const { timed } = panel;
  const planted = panel.planted > 0;
  const name = (user: number) => nameIn(panel, user);
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
            {name(pair.a)} and {name(pair.b)}: kappa {bounds(pair.kappa) || "says nothing"} on {pair.n} cells
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How long each reader took over the cells of each case. */
function Times({ rows, readers }: { rows: PanelResults["times"]; readers: ReaderResultShown[] }) {
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
function Confusions({
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
function Certificates({ panel, readers }: { panel: PanelShown; readers: ReaderResultShown[] }) {
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

function Cell({ panel, cell, marks }: { panel: PanelShown; cell: CellResultShown; marks: Map<string, Mark> }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const path = { project: project.id, panel: panel.id };
  const decide = useMutation({
    mutationFn: (label: string) =>
      body(
        api.POST("/projects/{project}/panels/{panel}/decisions", {
          params: { path },
          body: { image: cell.image, label, note: "" },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: [...panelsKey(project.id), panel.id, "results"] }),
  });
  const options = [...new Set([...cell.said.map((one) => one.label), ...(cell.consensus ? [cell.consensus] : [])])];
  const consensus = cell.consensus ? marks.get(cell.consensus) : undefined;
  return (
    <figure className="panel-result" data-image={cell.image}>
      <img
        src={address(`/projects/${project.id}/images/${cell.image}/picture`)}
        alt={`Cell ${cell.image}`}
        loading="lazy"
      />
      <figcaption>
        <ul>
          {cell.said.map((one, at) => (
            <li key={one.user ?? `other ${at}`} className={one.suspect ? "suspect" : undefined}>
              {one.user !== null && `${nameIn(panel, one.user)}: `}
              {marks.get(one.label)?.title ?? "Unsure"}
              {one.suspect && <span title="Probably wrong, by the consensus"> !</span>}
            </li>
          ))}
        </ul>
        {consensus && (
          <p className="typed" style={inks(consensus)}>
            Consensus: {consensus.title} {cell.probability?.toFixed(2)}
          </p>
        )}
        {cell.decision && <p className="decided">Decided: {marks.get(cell.decision.label)?.title}</p>}
        {cell.differing && (
          <div className="panel-decide">
            {options
              .filter((label) => label !== "?")
              .map((label) => (
                <button
                  type="button"
                  key={label}
                  aria-label={`Decide ${marks.get(label)?.title ?? label} for cell ${cell.image}`}
                  disabled={decide.isPending || project.role === "viewer"}
                  onClick={() => decide.mutate(label)}
                >
                  <Letter mark={marks.get(label)} />
                </button>
              ))}
          </div>
        )}
        <FaultLine fault={decide.error} />
      </figcaption>
    </figure>
  );
}
