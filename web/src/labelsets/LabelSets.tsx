import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type DragEvent, type FormEvent, useEffect, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link } from "react-router";
import { address, api, body } from "../api/client";
import { names, useLabelSets, worded } from "../api/queries";
import type { LabelSetShown as LabelSet } from "../api/schema";
import { inTree, inUse } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { useStaled } from "../project/staled";
import { Letter } from "../ui/marks";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import {
  type Draft,
  EMPTY,
  exemplified,
  GOOD,
  missing,
  renamed,
  requestOf,
  withClass,
  withoutClass,
  withoutExample,
} from "./draft";
import { TypesEditor } from "./TypesEditor";
import "./labelsets.scss";

/** The ways in which this project's cells are read, and making a new one from a few examples. */
export default function LabelSets() {
  const { project, store } = useProjectContext();
  const sets = useLabelSets(project.id);
  useStaled("labelSetScores", names.labelSets(project.id));
  const shown = useProjectState((state) => state.labelSet);
  const may = project.role !== "viewer" && !project.archived;

  if (sets.isPending) return <Loading what="Looking up label sets" />;
  if (sets.isError) return <Failure fault={sets.error} retry={() => sets.refetch()} />;
  return (
    <div className="sheet sheet-wide labelsets">
      <section>
        <h1>Label sets</h1>
        <p className="quiet">
          A label set is one question asked of every cell, or of the cells of one type. The desk shows one at a time;
          your labels teach each on its own.
        </p>
        <ul className="labelset-list">
          {sets.data.map((set) => (
            <Row key={set.name} set={set} shown={set.name === shown} show={() => void store.useLabelSet(set.name)} />
          ))}
        </ul>
      </section>
      {may && <Making onMade={(name) => void store.useLabelSet(name)} />}
    </div>
  );
}

function Row({ set, shown, show }: { set: LabelSet; shown: boolean; show: () => void }) {
  const { project } = useProjectContext();
  const [editing, setEditing] = useState(false);
  const mayChange = project.role === "admin" && !project.archived;
  const labels = Object.values(set.labelled).reduce((sum, count) => sum + count, 0);
  return (
    <li aria-current={shown || undefined}>
      <div>
        <h2>
          {set.title} {set.kind === "own" && <span className="labelset-own">of this project</span>}
          {set.asked_of && <span className="quiet small"> asked of {worded(set.asked_of)} only</span>}
        </h2>
        <p className="labelset-classes">
          {inTree(inUse(set.classes)).map((mark) => (
            <span key={mark.name}>
              <Letter mark={mark} /> {mark.title}
              {set.labelled[mark.name] ? <span className="quiet"> {set.labelled[mark.name]}</span> : null}
            </span>
          ))}
        </p>
        {mayChange && (
          <button
            type="button"
            className="bin-act"
            aria-expanded={editing}
            aria-label={editing ? `done with ${set.title}` : `change types of ${set.title}`}
            onClick={() => setEditing(!editing)}
          >
            {editing ? "done" : "change types"}
          </button>
        )}
      </div>
      <Score set={set} labels={labels} />
      {shown ? (
        <Link to={`/projects/${project.id}`} className="btn btn-sm btn-link">
          On the desk
        </Link>
      ) : (
        <Button size="sm" variant="outline-primary" onClick={show} aria-label={`Show ${set.title} on the desk`}>
          Show
        </Button>
      )}
      {editing && <TypesEditor set={set} />}
    </li>
  );
}

function Score({ set, labels }: { set: LabelSet; labels: number }) {
  const given = labels === 1 ? "1 label of this project" : `${labels.toLocaleString("en")} labels of this project`;
  if (!set.score) {
    return (
      <p className="labelset-score">
        <span className="quiet small">
          {labels ? given : "no label of this project"}
          <br />
          {set.kind === "own" ? `a score from ${GOOD} labels a class` : "read as the model came"}
        </span>
      </p>
    );
  }
  const { macro_f1, low, high, n, folds } = set.score;
  return (
    <p className="labelset-score">
      <strong>{macro_f1.toFixed(2)}</strong>{" "}
      <span className="quiet">
        {low.toFixed(2)} to {high.toFixed(2)}
      </span>
      <br />
      <span className="quiet small">
        macro-F1, {folds}-fold over {n} labels
      </span>
    </p>
  );
}

/** What each project's draft looked like when its screen was last open. */
const drafts = new Map<number, Draft>();
const CELL = "application/x-hemosight-cells";

function Making({ onMade }: { onMade: (name: string) => void }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const selection = useProjectState((state) => state.selection);
  const count = useProjectState((state) => state.columns.count);
  const [draft, setDraft] = useState<Draft>(() => drafts.get(project.id) ?? EMPTY);
  // One leaves this screen to find examples, and comes back.
  useEffect(() => {
    drafts.set(project.id, draft);
  }, [draft, project.id]);
  const types = useLabelSets(project.id).data?.find(({ name }) => name === "cell_type")?.classes ?? [];
  const [over, setOver] = useState<number | null>(null);
  const [made, setMade] = useState<{ title: string; seconds: number } | null>(null);
  const needed = missing(draft);
  const create = useMutation({
    mutationFn: async () => {
      const began = performance.now();
      const set = await body(
        api.POST("/projects/{project}/label-sets", {
          params: { path: { project: project.id } },
          body: requestOf(draft),
        }),
      );
      await queries.invalidateQueries({ queryKey: names.labelSets(project.id) });
      return { set, seconds: (performance.now() - began) / 1000 };
    },
    onSuccess: ({ set, seconds }) => {
      setMade({ title: draft.title, seconds });
      setDraft(EMPTY);
      onMade(set.name);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!needed.length) create.mutate();
  };
  const drop = (index: number) => (event: DragEvent) => {
    event.preventDefault();
    setOver(null);
    const images = event.dataTransfer.getData(CELL) || event.dataTransfer.getData("text/plain");
    const ids = images.split(",").map(Number).filter(Number.isFinite);
    setDraft((now) => exemplified(now, index, ids));
  };
  const thumbnail = (id: number) => address(`/projects/${project.id}/images/${id}/thumbnail`);

  return (
    <Form className="labelset-new" onSubmit={submit} aria-labelledby="labelset-new-title">
      <h2 id="labelset-new-title">A question of your own</h2>
      <p className="quiet">Name it and its answers, give each a few examples, and every cell is read by it.</p>
      <Form.Group className="labelset-name" controlId="set-title">
        <Form.Label>What is asked</Form.Label>
        <Form.Control
          value={draft.title}
          maxLength={60}
          placeholder="Vacuoles in the cytoplasm"
          onChange={(event) => setDraft({ ...draft, title: event.target.value })}
        />
      </Form.Group>
      <Form.Group className="labelset-name" controlId="set-asked">
        <Form.Label>Of which cells</Form.Label>
        <Form.Select
          value={draft.askedOf ?? ""}
          onChange={(event) => setDraft({ ...draft, askedOf: event.target.value || undefined })}
        >
          <option value="">all cells</option>
          {inTree(inUse(types)).map((mark) => (
            <option key={mark.name} value={mark.name}>
              {mark.title} only
            </option>
          ))}
        </Form.Select>
      </Form.Group>
      <Tray selection={selection} thumbnail={thumbnail} empty={count === 0} />
      {draft.classes.map((each, index) => (
        <fieldset
          // Classes have no identity but their place.
          key={index}
          className={over === index ? "labelset-class labelset-over" : "labelset-class"}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(index);
          }}
          onDragLeave={() => setOver(null)}
          onDrop={drop(index)}
        >
          <legend className="visually-hidden">Class {index + 1}</legend>
          <Form.Control
            size="sm"
            aria-label={`Name of class ${index + 1}`}
            value={each.title}
            maxLength={60}
            placeholder={["With vacuoles", "Without"][index] ?? "Another answer"}
            onChange={(event) => setDraft(renamed(draft, index, event.target.value))}
          />
          <Button
            size="sm"
            variant="outline-primary"
            disabled={selection.size === 0}
            onClick={() => setDraft(exemplified(draft, index, selection))}
          >
            Add selected
          </Button>
          {draft.classes.length > 2 && (
            <Button size="sm" variant="link" onClick={() => setDraft(withoutClass(draft, index))}>
              Remove
            </Button>
          )}
          <div className="labelset-examples">
            {each.examples.map((image) => (
              <button
                type="button"
                key={image}
                aria-label={`Take out example ${image}`}
                onClick={() => setDraft(withoutExample(draft, image))}
              >
                <img src={thumbnail(image)} alt="" />
              </button>
            ))}
            {each.examples.length === 0 && (
              <span className="quiet small">Drop cells here, or add the selected ones.</span>
            )}
          </div>
        </fieldset>
      ))}
      <div className="labelset-do">
        <Button size="sm" variant="link" onClick={() => setDraft(withClass(draft))}>
          + another class
        </Button>
        <Button type="submit" disabled={needed.length > 0 || create.isPending}>
          {create.isPending ? "Reading all cells" : "Read all cells by it"}
        </Button>
      </div>
      <p className="small quiet" role="status">
        {made
          ? `${made.title}: ${count.toLocaleString("en")} cells read in ${made.seconds.toFixed(1)} s. It is on the desk now.`
          : needed.length > 0 && `Still needed: ${needed.join(", ")}.`}
      </p>
      <FaultLine fault={create.error} />
    </Form>
  );
}

/** The cells selected in the gallery or on the map, to drag from. */
function Tray({
  selection,
  thumbnail,
  empty,
}: {
  selection: ReadonlySet<number>;
  thumbnail: (id: number) => string;
  empty: boolean;
}) {
  const { project } = useProjectContext();
  if (empty) return <Empty title="There are no cells yet" />;
  if (!selection.size) {
    return (
      <p className="labelset-tray quiet">
        Select cells in the <Link to={`/projects/${project.id}`}>gallery</Link> or on the{" "}
        <Link to={`/projects/${project.id}/map`}>landscape</Link>, then come back: they lie here.
      </p>
    );
  }
  const ids = [...selection];
  const drag = (images: number[]) => (event: DragEvent) => {
    event.dataTransfer.setData(CELL, images.join(","));
    event.dataTransfer.effectAllowed = "copy";
  };
  return (
    <section className="labelset-tray" aria-label="Selected cells">
      <p className="small quiet" draggable onDragStart={drag(ids)}>
        {ids.length.toLocaleString("en")} selected. Drag one of them, or this line for all.
      </p>
      {ids.slice(0, 30).map((image) => (
        <img key={image} src={thumbnail(image)} alt={`Cell ${image}`} draggable onDragStart={drag([image])} />
      ))}
    </section>
  );
}
