import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { Button, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { saveAnswer } from "../api/download";
import type { ClassShown as Mark, PanelResults, PanelShown } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { byName } from "../report/differential";
import { Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import { bounds } from "./figures";
import { PanelCell } from "./PanelCell";
import { LOOK_AGAIN, panelsKey } from "./Panels";
import { Certificates, Confusions, Readers, Times } from "./Readers";

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
            <PanelCell key={cell.image} panel={panel} cell={cell} marks={marks} />
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
              <PanelCell key={cell.image} panel={panel} cell={cell} marks={marks} />
            ))}
        </div>
      </section>
    </article>
  );
}

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
