import { lazy, Suspense, useMemo, useState } from "react";
import { Button, Dropdown } from "react-bootstrap";
import { Link } from "react-router";
import { address } from "../api/client";
import { type Columns, certainty, inTree, inUse, NONE, rowOf, UNSURE } from "../columns/columns";
import { useProjectContext } from "../project/context";
import { SignedBanner } from "../signing/SignedBanner";
import { inks, Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";

const GroupDialog = lazy(() => import("../groups/GroupDialog"));

/** Crops shown of each type; more are in the gallery, which has the same selection. */
const SHOWN = 24;

interface Props {
  columns: Columns;
  selection: ReadonlySet<number>;
  onLabel: (label: string | null) => void;
  onClear: () => void;
}

/** What the lasso caught: crops by type, two of them side by side, and what to do with all of them. */
export function Selected({ columns, selection, onLabel, onClear }: Props) {
  const { project, store } = useProjectContext();
  const [grouping, setGrouping] = useState(false);
  const [pair, setPair] = useState<number[]>([]);
  const groups = useMemo(() => groupsOf(columns, selection), [columns, selection]);
  const compared = pair.filter((id) => selection.has(id));
  const mark = (code: number) => columns.classes[code];
  const picture = (id: number) => address(`/projects/${project.id}/images/${id}/picture`);
  const thumbnail = (id: number) => address(`/projects/${project.id}/images/${id}/thumbnail`);
  const toggle = (id: number) =>
    setPair((now) => (now.includes(id) ? now.filter((other) => other !== id) : [...now, id].slice(-2)));

  return (
    <section className="chosen" aria-label="Selected cells">
      <header>
        <h2>
          {selection.size.toLocaleString("en")} {selection.size === 1 ? "cell" : "cells"} selected
        </h2>
        <Button size="sm" variant="link" onClick={onClear}>
          Clear
        </Button>
      </header>
      <SignedBanner />
      {compared.length > 0 && (
        <div className="chosen-pair">
          {compared.map((id) => {
            const row = rowOf(columns, id);
            const code = columns.label[row] === NONE ? columns.predicted[row]! : columns.label[row]!;
            return (
              <figure key={id}>
                <Link
                  to={`/projects/${project.id}`}
                  onClick={() => store.select(selection, id)}
                  title="Show this cell in the gallery"
                >
                  <Picture src={picture(id)} alt={`Cell ${id}, enlarged`} />
                </Link>
                <figcaption>
                  <Letter mark={mark(code)} /> {mark(code)?.title ?? "Unsure"}{" "}
                  {columns.label[row] === NONE && <span className="quiet">{certainty(columns, row)}</span>}
                </figcaption>
              </figure>
            );
          })}
          {compared.length === 1 && <p className="quiet small">Press another crop to lay it beside this one.</p>}
        </div>
      )}
      <div className="chosen-groups">
        {groups.map(({ code, ids }) => (
          <div key={code}>
            <h3 className="typed" style={inks(mark(code))}>
              <Letter mark={mark(code)} /> {mark(code)?.title ?? (code === UNSURE ? "Unsure" : "Not read")}{" "}
              <span className="quiet">{ids.length.toLocaleString("en")}</span>
            </h3>
            <div className="chosen-crops">
              {ids.slice(0, SHOWN).map((id) => (
                <button
                  type="button"
                  className="chosen-crop"
                  key={id}
                  aria-pressed={compared.includes(id)}
                  aria-label={`Compare cell ${id}`}
                  onClick={() => toggle(id)}
                >
                  <Picture
                    className="chosen-crop-picture"
                    src={thumbnail(id)}
                    alt=""
                    loading="lazy"
                    draggable={false}
                  />
                </button>
              ))}
              {ids.length > SHOWN && (
                <Link to={`/projects/${project.id}`} className="small">
                  +{(ids.length - SHOWN).toLocaleString("en")} in the gallery
                </Link>
              )}
            </div>
          </div>
        ))}
      </div>
      <footer>
        <Dropdown drop="up">
          <Dropdown.Toggle size="sm" id="relabel">
            Relabel
          </Dropdown.Toggle>
          <Dropdown.Menu>
            {inTree(inUse(columns.classes)).map((type) => (
              <Dropdown.Item key={type.name} onClick={() => onLabel(type.name)}>
                <Letter mark={type} /> {type.title}
              </Dropdown.Item>
            ))}
            <Dropdown.Divider />
            <Dropdown.Item onClick={() => onLabel("?")}>
              <Letter mark={null} /> Unsure
            </Dropdown.Item>
            <Dropdown.Item onClick={() => onLabel(null)}>Take labels back</Dropdown.Item>
          </Dropdown.Menu>
        </Dropdown>
        <Link className="btn btn-sm btn-outline-primary" to={`/projects/${project.id}`}>
          Show in gallery
        </Link>
        {selection.size > 1 && project.role !== "viewer" && !project.archived && (
          <Button size="sm" variant="outline-primary" onClick={() => setGrouping(true)}>
            As a group…
          </Button>
        )}
        {grouping && (
          <Suspense>
            <GroupDialog images={[...selection]} close={() => setGrouping(false)} />
          </Suspense>
        )}
      </footer>
    </section>
  );
}

/** Selected images by type, as the differential lists types: what a person said, else what was read. */
export function groupsOf(columns: Columns, selection: Iterable<number>): { code: number; ids: number[] }[] {
  const found = new Map<number, { id: number; probability: number }[]>();
  for (const id of selection) {
    const row = rowOf(columns, id);
    if (row < 0) continue;
    const code = columns.label[row] === NONE ? columns.predicted[row]! : columns.label[row]!;
    found.set(code, [...(found.get(code) ?? []), { id, probability: columns.probability[row]! || 0 }]);
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([code, cells]) => ({
      code,
      ids: cells.sort((a, b) => a.probability - b.probability).map(({ id }) => id),
    }));
}
