import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useCallback, useMemo, useState } from "react";
import { Button, ButtonGroup, Form } from "react-bootstrap";
import { address } from "../api/client";
import { useLabelSets } from "../api/queries";
import { type Columns, certainty, isUnusual, NONE, READ, rowOf } from "../columns/columns";
import { fetchColumns } from "../columns/fetch";
import { elsewhere, meaning } from "../gallery/keys";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { usePaced } from "../ui/paced";
import { Empty, Failure, Loading, Unseen } from "../ui/states";
import { groupingOf, type Scheme } from "./grouping";
import { Legend } from "./Legend";
import { LandscapeMap, type Points, type Tool } from "./Map";
import { referenceGrouping, useReference } from "./reference";
import type { Layer } from "./renderer";
import { Selected } from "./Selected";

const NOTHING: ReadonlySet<number> = new Set();

/** The map of a project's cells among the reference; `drawer` leaves out what the table beside it shows already. */
export function Landscape({ drawer = false }: { drawer?: boolean }) {
  const { project, store } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const phase = useProjectState((state) => state.phase);
  const fault = useProjectState((state) => state.fault);
  const selection = useProjectState((state) => state.selection);
  const sets = useLabelSets(project.id);
  const reference = useReference();
  const [scheme, setScheme] = useState<Scheme>("predicted");
  const [tool, setTool] = useState<Tool>("lasso");
  const [hidden, setHidden] = useState<ReadonlySet<number>>(NOTHING);
  const [layers, setLayers] = useState({ project: true, reference: true });
  const attribute = useAttribute(project.id, scheme.startsWith("set:") ? scheme.slice(4) : null);

  const grouping = useMemo(() => groupingOf(scheme, columns, attribute), [scheme, columns, attribute]);
  const own = useMemo<Points>(() => ({ x: columns.x, y: columns.y, grouping, hidden }), [columns, grouping, hidden]);
  const known = reference.data;
  const behind = useMemo(() => known && referenceGrouping(known, scheme), [known, scheme]);
  // A type that is hidden is hidden on both layers; groups of measures and cases have no counterpart behind.
  const together = scheme === "predicted" || scheme === "label" || scheme.startsWith("set:");
  const others = useMemo<Points | null>(
    () => (known && behind ? { x: known.x, y: known.y, grouping: behind, hidden: together ? hidden : NOTHING } : null),
    [known, behind, hidden, together],
  );
  const chosen = useMemo(() => {
    const rows: number[] = [];
    for (const id of selection) {
      const row = rowOf(columns, id);
      if (row >= 0) rows.push(row);
    }
    return Uint32Array.from(rows);
  }, [columns, selection]);

  const select = useCallback(
    (rows: number[], more: boolean) => {
      const ids = rows.map((row) => columns.id[row]!);
      store.select(more ? [...store.snapshot().selection, ...ids] : ids);
    },
    [columns, store],
  );
  const label = (name: string | null) => void store.label([...selection], name);

  const keys = (event: KeyboardEvent) => {
    if (elsewhere(event.target)) return;
    const command = meaning(event, columns.classes);
    // Enter on a button presses the button.
    if (command?.do === "agree" && (event.target as Element).tagName !== "BUTTON") void store.agree([...selection]);
    else if (command?.do === "label" && selection.size) label(command.label);
    else if (command?.do === "undo") void store.undo();
    else if (command?.do === "redo") void store.redo();
    else if (command?.do === "none") store.select([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  if (phase === "failed") return <Failure fault={fault} retry={store.retry} />;
  if (phase === "loading" && !columns.count) return <Loading what="Placing the cells on the map" />;

  const nothing = columns.count === 0;
  if (nothing && reference.isError) {
    return <Empty title="There is no map yet">Upload cells, and they find their places here.</Empty>;
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: type keys work wherever the focus is on this screen
    <div className={drawer ? "landscape landscape-drawer" : "landscape"} onKeyDown={keys}>
      {!drawer && <Unseen title="Landscape" />}
      <aside className="landscape-side">
        <Form.Group controlId={drawer ? "colour-by-drawer" : "colour-by"}>
          <Form.Label>Colour by</Form.Label>
          <Form.Select
            size="sm"
            value={scheme}
            onChange={(event) => {
              setScheme(event.target.value as Scheme);
              setHidden(NOTHING);
            }}
          >
            <option value="predicted">Type, read by model</option>
            <option value="label">Your label</option>
            <option value="confidence">Confidence</option>
            <option value="novelty">How unusual</option>
            <option value="source">Source</option>
            <optgroup label="Attributes">
              {(sets.data ?? [])
                .filter(({ name }) => name !== columns.labelSet)
                .map(({ name, title }) => (
                  <option key={name} value={`set:${name}`}>
                    {title}
                  </option>
                ))}
            </optgroup>
          </Form.Select>
        </Form.Group>
        <Legend
          groups={nothing && behind ? behind.groups : grouping.groups}
          hidden={hidden}
          shares={scheme !== "predicted" && scheme !== "label"}
          onToggle={(group) =>
            setHidden((now) => {
              const next = new Set(now);
              if (!next.delete(group)) next.add(group);
              return next;
            })
          }
          onSelect={nothing ? undefined : (group) => select(rowsOf(grouping.of, group), false)}
        />
        <fieldset className="landscape-layers">
          <legend>Show</legend>
          <Form.Check
            id="layer-project"
            label={`Your cells (${columns.count.toLocaleString("en")})`}
            checked={layers.project}
            onChange={(event) => setLayers({ ...layers, project: event.target.checked })}
          />
          <Form.Check
            id="layer-reference"
            label={`Reference${known ? ` (${known.x.length.toLocaleString("en")})` : ""}`}
            checked={layers.reference}
            onChange={(event) => setLayers({ ...layers, reference: event.target.checked })}
          />
        </fieldset>
        {!drawer && !nothing && <Falls columns={columns} onSelect={(rows) => select(rows, false)} />}
      </aside>
      <div className="landscape-map">
        <ButtonGroup size="sm" className="landscape-tools" aria-label="What dragging does">
          {(["lasso", "move"] as const).map((each) => (
            <Button
              key={each}
              variant={tool === each ? "primary" : "outline-secondary"}
              aria-pressed={tool === each}
              onClick={() => setTool(each)}
            >
              {each === "lasso" ? "Lasso" : "Move"}
            </Button>
          ))}
        </ButtonGroup>
        <LandscapeMap
          project={layers.project ? own : null}
          reference={layers.reference ? others : null}
          chosen={chosen}
          tool={tool}
          onCatch={select}
          onPick={(row, more) => select(row === null ? [] : [row], more)}
          card={(layer, row) => <Card layer={layer} row={row} columns={columns} known={known} project={project.id} />}
        />
      </div>
      {!drawer && selection.size > 0 && (
        <Selected columns={columns} selection={selection} onLabel={label} onClear={() => store.select([])} />
      )}
    </div>
  );
}

/** "Where do my cells fall": how many lie among known cells, and the way to those that do not. */
function Falls({ columns, onSelect }: { columns: Columns; onSelect: (rows: number[]) => void }) {
  const { read, unusual } = useMemo(() => falling(columns), [columns]);
  if (!read) return null;
  return (
    <section className="falls">
      <h2>Where your cells fall</h2>
      <p>
        {(read - unusual.length).toLocaleString("en")} of {read.toLocaleString("en")} lie among known cells.
        {unusual.length > 0 &&
          ` ${unusual.length.toLocaleString("en")} ${unusual.length === 1 ? "lies" : "lie"} farther out than 99 of 100 known cells.`}
      </p>
      {unusual.length > 0 && (
        <Button size="sm" variant="outline-primary" onClick={() => onSelect(unusual)}>
          Select the unusual
        </Button>
      )}
    </section>
  );
}

/** How many cells have been read, and the rows of those that are unusual. */
export function falling(columns: Columns): { read: number; unusual: number[] } {
  const unusual: number[] = [];
  let read = 0;
  for (let row = 0; row < columns.count; row++) {
    if (columns.status[row] !== READ) continue;
    read++;
    if (isUnusual(columns, row)) unusual.push(row);
  }
  return { read, unusual };
}

interface CardProps {
  layer: Layer;
  row: number;
  columns: Columns;
  known: ReturnType<typeof useReference>["data"];
  project: number;
}

function Card({ layer, row, columns, known, project }: CardProps) {
  if (layer === "reference") {
    const type = known?.classes.cell_type?.[known.codes.cell_type?.[row] ?? NONE];
    const source = known?.classes.source?.[known.codes.source?.[row] ?? NONE];
    return (
      <p>
        <Letter mark={type} /> {type?.title ?? "Untyped"}
        <br />
        <span className="quiet">reference cell{source ? `, ${source.title}` : ""}</span>
      </p>
    );
  }
  const read = columns.classes[columns.predicted[row]!];
  const said = columns.label[row] === NONE ? null : (columns.classes[columns.label[row]!]?.title ?? "Unsure");
  return (
    <>
      <Picture src={address(`/projects/${project}/images/${columns.id[row]!}/thumbnail`)} alt="" />
      <p>
        <Letter mark={read} /> {read?.title ?? "Not read"} {certainty(columns, row)}
        {said && (
          <>
            <br />
            labelled: {said}
          </>
        )}
        {isUnusual(columns, row) && (
          <>
            <br />
            unusual
          </>
        )}
      </p>
    </>
  );
}

function rowsOf(of: Uint8Array, group: number): number[] {
  const rows: number[] = [];
  for (let row = 0; row < of.length; row++) if (of[row] === group) rows.push(row);
  return rows;
}

/** Cells are asked for anew this often at most, milliseconds: all of them come, and events come in bursts. */
const APART = 2000;

/** The same cells as another label set reads them, which follows what happens to them. */
export function useAttribute(project: number, labelSet: string | null): Columns | null {
  const changes = usePaced(useFollowed("otherSet"), APART);
  const query = useQuery<Columns>({
    queryKey: ["projects", project, "columns", labelSet, changes],
    enabled: labelSet !== null,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => fetchColumns(project, { label_set: labelSet ?? undefined }, signal),
  });
  return labelSet !== null && query.data?.labelSet === labelSet ? query.data : null;
}

export default Landscape;
