import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useLocation } from "react-router";
import { api, body } from "../api/client";
import { save } from "../api/download";
import { every, useLabelSets } from "../api/queries";
import type { ClassShown as Mark, TeachingCellShown } from "../api/schema";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { inks, Letter } from "../ui/marks";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { ago, when } from "../ui/time";
import "./library.scss";

const rootOf = (project: number) => ["projects", project, "teaching"] as const;

/** Teaching cells of the project by type: pictures, notes, and who added them. */
export default function Library() {
  const { project } = useProjectContext();
  const changes = useFollowed("library");
  const sets = useLabelSets(project.id);
  const [chosen, setChosen] = useState("cell_type");
  const { hash } = useLocation();
  const found = useQuery({
    queryKey: [...rootOf(project.id), chosen, "all", changes],
    queryFn: ({ signal }) =>
      every((page) => {
        const params = { path: { project: project.id }, query: { ...page, label_set: chosen } };
        return body(api.GET("/projects/{project}/teaching", { params, signal }));
      }),
    placeholderData: (before) => before,
  });
  const take = useMutation({
    mutationFn: () =>
      api.POST("/projects/{project}/teaching/export", {
        params: { path: { project: project.id }, query: { label_set: chosen } },
        parseAs: "blob",
      }),
    onSuccess: ({ data }) => save(data as Blob, `teaching-cells-of-project-${project.id}.zip`),
  });
  const there = found.isSuccess;
  useEffect(() => {
    if (there && hash) document.getElementById(hash.slice(1))?.scrollIntoView({ block: "center" });
  }, [there, hash]);
  if (found.isPending || sets.isPending) return <Loading what="Looking into the library" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  if (sets.isError) return <Failure fault={sets.error} retry={() => sets.refetch()} />;
  const marks = sets.data.find((set) => set.name === chosen)?.classes ?? [];
  const cells = found.data;
  // Types in the order of the label set; one that it has no more comes last.
  const types = [...new Set([...marks.map(({ name }) => name), ...cells.map(({ label }) => label)])]
    .map((name) => ({
      name,
      mark: marks.find((mark) => mark.name === name),
      cells: cells.filter((c) => c.label === name),
    }))
    .filter((type) => type.cells.length > 0);
  return (
    <article className="sheet sheet-wide library">
      <h1>Library of teaching cells</h1>
      <p className="quiet">
        Cells that show their type well. Choose a labelled cell on the table and press <i>add to the library</i>. While
        a cell is here nobody deletes it, and retention leaves it, without what leads to a patient.
      </p>
      <div className="library-bar">
        {sets.data.length > 1 && (
          <Form.Select
            size="sm"
            className="w-auto"
            aria-label="Label set"
            value={chosen}
            onChange={(event) => setChosen(event.target.value)}
          >
            {sets.data.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </Form.Select>
        )}
        {cells.length > 0 && (
          <Button size="sm" variant="outline-primary" disabled={take.isPending} onClick={() => take.mutate()}>
            Take it away (ZIP)
          </Button>
        )}
        <FaultLine fault={take.error} />
      </div>
      {types.length > 1 && (
        <ul className="library-types" aria-label="Types">
          {types.map(({ name, mark, cells }) => (
            <li key={name} className="typed" style={inks(mark)}>
              <a href={`#type-${name}`}>
                <Letter mark={mark} /> {mark?.title ?? name} <span className="quiet">{cells.length}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
      {!cells.length && (
        <Empty title="No teaching cell yet">
          <Link to={`/projects/${project.id}`}>Choose some on the table</Link>
        </Empty>
      )}
      {types.map(({ name, mark, cells }) => (
        <section key={name} aria-labelledby={`type-${name}`}>
          <h2 id={`type-${name}`} className="typed" style={inks(mark)}>
            <Letter mark={mark} /> {mark?.title ?? name} <span className="quiet">{cells.length}</span>
          </h2>
          <ul className="library-cells">
            {cells.map((one) => (
              <TeachingCell key={one.id} one={one} mark={mark} marks={marks} />
            ))}
          </ul>
        </section>
      ))}
    </article>
  );
}

function TeachingCell({
  one,
  mark,
  marks,
}: {
  one: TeachingCellShown;
  mark: Mark | undefined;
  marks: readonly Mark[];
}) {
  const { project, store } = useProjectContext();
  const cases = useProjectState((state) => state.columns.cases);
  const queries = useQueryClient();
  const [note, setNote] = useState<string | null>(null);
  const [asked, setAsked] = useState(false);
  const params = { path: { project: project.id, teaching_cell: one.id } };
  const renew = () => queries.invalidateQueries({ queryKey: rootOf(project.id) });
  const change = useMutation({
    mutationFn: (given: string) =>
      body(api.PATCH("/projects/{project}/teaching/{teaching_cell}", { params, body: { note: given } })),
    onSuccess: async () => {
      await renew();
      setNote(null);
    },
  });
  const remove = useMutation({
    mutationFn: () => api.DELETE("/projects/{project}/teaching/{teaching_cell}", { params }),
    onSuccess: renew,
  });
  const may = project.role !== "viewer" && !project.archived;
  const search = cases.length ? `?case=${one.case ?? "none"}` : "";
  return (
    <li id={`cell-${one.image}`} className="typed" style={inks(mark)} data-image={one.image}>
      <Link
        to={{ pathname: `/projects/${project.id}`, search }}
        title="Show this cell on the table"
        onClick={() => store.select([one.image])}
      >
        <img
          src={thumbnail(project.id, one.image)}
          loading="lazy"
          alt={`${mark?.title ?? one.label}, cell ${one.image}`}
        />
      </Link>
      {note === null && one.note && <p>{one.note}</p>}
      {note !== null && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            change.mutate(note);
          }}
        >
          <Form.Control
            as="textarea"
            size="sm"
            rows={3}
            autoFocus
            aria-label={`Note on cell ${one.image}`}
            maxLength={1000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
          <div className="library-acts">
            <button type="submit" className="bin-act" disabled={change.isPending}>
              save
            </button>
            <button type="button" className="bin-act" onClick={() => setNote(null)}>
              leave it
            </button>
          </div>
        </form>
      )}
      <p className="quiet small">
        {one.by},{" "}
        <time dateTime={one.at} title={when(one.at)}>
          {ago(one.at)}
        </time>
        {one.case_key && <> · {one.case_key}</>}
      </p>
      {one.label_now !== one.label && (
        <p className="library-apart small">
          {one.label_now === null
            ? "Its label was taken back since."
            : `Labelled ${one.label_now === "?" ? "unsure" : (marks.find(({ name }) => name === one.label_now)?.title ?? one.label_now)} since.`}
        </p>
      )}
      {may && note === null && (
        <div className="library-acts">
          <button type="button" className="bin-act" onClick={() => setNote(one.note)}>
            {one.note ? "change note" : "add a note"}
          </button>
          <button
            type="button"
            className="bin-act"
            disabled={remove.isPending}
            onBlur={() => setAsked(false)}
            onClick={() => (asked ? remove.mutate() : setAsked(true))}
          >
            {asked ? "really take it out" : "take out"}
          </button>
        </div>
      )}
      <FaultLine fault={change.error ?? remove.error} />
    </li>
  );
}
