import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { get, send } from "../api/client";
import { useLabelSets, useMembers, worded } from "../api/queries";
import type { ImageDetail, List, Mark, Neighbour } from "../api/types";
import { NONE, READ, rowOf } from "../columns/columns";
import { USUAL } from "../gallery/bins";
import { thumbnail } from "../gallery/Crop";
import { useDesk, useRoom } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { FaultLine } from "../ui/states";
import { ago, when } from "../ui/time";
import { LargeCrop } from "./LargeCrop";
import { OnMap } from "./OnMap";
import "./cell.scss";

interface Props {
  heat: boolean;
  setHeat: (heat: boolean) => void;
  compare: () => void;
  mayLabel: boolean;
  label: (label: string | null) => void;
  agree: () => void;
  show: (image: number) => void;
}

/** Follows a value once it has stood still, so that walking along a line does not ask for every cell. */
function useSettled<T>(value: T, wait: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

export const useImage = (project: number, image: number | null, revision: number, version: number) =>
  useQuery<ImageDetail>({
    queryKey: ["projects", project, "images", image, revision, version],
    queryFn: ({ signal }) => get<ImageDetail>(`/projects/${project}/images/${image!}`, {}, signal),
    enabled: image !== null,
    // The same cell under a newer revision: show the old bars until the new ones are there.
    placeholderData: (last) => (last?.id === image ? last : undefined),
  });

export const useNeighbours = (project: number, image: number | null, among: "project" | "reference") =>
  useQuery({
    queryKey: ["projects", project, "images", image, "neighbours", among],
    queryFn: async ({ signal }) =>
      (await get<List<Neighbour>>(`/projects/${project}/images/${image!}/neighbours`, { k: 12, among }, signal)).items,
    enabled: image !== null,
    staleTime: 60_000,
  });

/** The chosen cell: its picture, what the model sees in it, its like, and what people said. */
export function CellPanel(props: Props) {
  const { project } = useRoom();
  const chosen = useDesk((desk) => desk.chosen);
  const columns = useDesk((desk) => desk.columns);
  const moved = useDesk((desk) => (chosen === null ? undefined : desk.moved.get(chosen)));
  const settled = useSettled(chosen, 80);
  const row = chosen === null ? -1 : rowOf(columns, chosen);
  const image = settled === chosen && row >= 0 ? settled : null;
  const version = row >= 0 ? columns.version[row]! : 0;
  const detail = useImage(project.id, image, columns.revision, version);
  const shown = detail.data?.id === chosen ? detail.data : undefined;
  if (chosen === null || row < 0) {
    return <p className="cell-none quiet">Choose a cell to see it large.</p>;
  }

  const labelled = columns.label[row] !== NONE;
  const said = labelled ? columns.classes[columns.label[row]!] : undefined;
  const reading = columns.status[row] === READ ? columns.classes[columns.predicted[row]!] : undefined;
  return (
    <div className="cell">
      <h2>
        <span className="quiet">cell</span> {String(chosen).padStart(6, "0")}
      </h2>
      {shown && (
        <p className="small quiet cell-file" title={shown.name}>
          {shown.name}
        </p>
      )}
      <LargeCrop
        project={project.id}
        image={chosen}
        heat={props.heat && columns.status[row] === READ}
        labelSet={columns.labelSet}
        label={said?.name ?? reading?.name ?? null}
      />
      <div className="cell-acts">
        <button type="button" className="bin-act" aria-pressed={props.heat} onClick={() => props.setHeat(!props.heat)}>
          heat map <kbd className="key">H</kbd>
        </button>
        <button type="button" className="bin-act" onClick={props.compare}>
          compare <kbd className="key">=</kbd>
        </button>
      </div>

      <p className="cell-said typed" style={inks(said ?? reading)}>
        <i className="swatch" aria-hidden="true" />{" "}
        {labelled ? (
          <>
            Labelled <b>{said?.title ?? "unsure"}</b>
          </>
        ) : reading ? (
          <>
            Read as <b>{reading.title}</b>
            {moved !== undefined && `, before that ${columns.classes[moved]?.title ?? ""}`}
          </>
        ) : columns.status[row] === READ ? (
          "Read, without a type"
        ) : (
          "Not read yet"
        )}
        {columns.status[row] === READ && columns.novelty[row]! > USUAL && (
          <span className="odd-note" title="It lies farther from all known cells than 99 in 100 of them do.">
            unusual
          </span>
        )}
      </p>
      {props.mayLabel && (
        <div className="cell-acts">
          {!labelled && reading && (
            <button type="button" className="bin-act" onClick={props.agree}>
              agree <kbd className="key">Enter</kbd>
            </button>
          )}
          {labelled && (
            <button type="button" className="bin-act" onClick={() => props.label(null)}>
              take back <kbd className="key">⌫</kbd>
            </button>
          )}
        </div>
      )}

      {shown && <Readings detail={shown} names={[columns.labelSet]} />}
      <Like image={image} among="project" title="Like these of the project" show={props.show} />
      <Like image={image} among="reference" title="Known cells nearest to it" show={props.show} />
      {shown && (
        <Readings detail={shown} names={Object.keys(shown.sets).filter((name) => name !== columns.labelSet)} titled />
      )}
      <OnMap x={columns.x[row]!} y={columns.y[row]!} mark={said ?? reading} image={chosen} />
      {shown && <Told detail={shown} mayComment={project.role !== "viewer"} />}
      {detail.isError && <FaultLine fault={detail.error} />}
    </div>
  );
}

/** How probable each class of these label sets is, by the model. */
function Readings({ detail, names, titled = false }: { detail: ImageDetail; names: string[]; titled?: boolean }) {
  const { project } = useRoom();
  const sets = useLabelSets(project.id);
  const desk = useDesk((desk) => desk.columns);
  return names.map((name) => {
    const probabilities = detail.sets[name]?.probabilities ?? {};
    const set = sets.data?.find((set) => set.name === name);
    // The desk knows the classes of its own label set before the list of all of them is there.
    const classes = set?.classes ?? (name === desk.labelSet ? desk.classes : []);
    const title = set?.title ?? worded(name);
    if (!Object.keys(probabilities).length) return null;
    return (
      <section key={name} aria-label={title}>
        {titled && <h3>{title}</h3>}
        <Bars probabilities={probabilities} classes={classes} most={titled ? 3 : 9} />
      </section>
    );
  });
}

/** Below this a bar says nothing. */
const SHOWN = 0.01;

export function Bars({
  probabilities,
  classes,
  most,
}: {
  probabilities: Record<string, number>;
  classes: Mark[];
  most: number;
}) {
  const rows = Object.entries(probabilities)
    .filter(([, value], at) => value >= SHOWN || at === 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, most);
  return (
    <ul className="bars">
      {rows.map(([name, value]) => {
        const mark = classes.find((mark) => mark.name === name);
        return (
          <li key={name} className="typed" style={inks(mark)}>
            {mark ? <Letter mark={mark} /> : <span />}
            <span className="name">{worded(mark?.title ?? name)}</span>
            <span className="track" aria-hidden="true">
              <i style={{ width: `${100 * value}%` }} />
            </span>
            <span className="value">{value >= 0.995 ? ">.99" : value.toFixed(2).replace(/^0/, "")}</span>
          </li>
        );
      })}
    </ul>
  );
}

/** The nearest cells with their distances. Those of the model's reference have no picture here, only a type. */
export function Like({
  image,
  among,
  title,
  show,
}: {
  image: number | null;
  among: "project" | "reference";
  title: string;
  show: (image: number) => void;
}) {
  const { project } = useRoom();
  const classes = useDesk((desk) => desk.columns.classes);
  const near = useNeighbours(project.id, image, among);
  const items = near.data?.filter((item) => item.image !== image || item.image === null);
  if (!items?.length) return null;
  return (
    <section className="like">
      <h3>{title}</h3>
      <ul>
        {items.map(({ image: other, reference, label, distance }) => {
          const mark = classes.find((mark) => mark.name === label);
          const said = `${mark?.title ?? label ?? "no type"}, distance ${distance.toFixed(2)}`;
          return (
            <li key={other ?? `r${reference}`} className="typed" style={inks(mark)}>
              {other !== null ? (
                <button type="button" title={said} aria-label={`Cell ${other}, ${said}`} onClick={() => show(other)}>
                  <img src={thumbnail(project.id, other)} width={48} height={48} loading="lazy" alt="" />
                </button>
              ) : (
                <span className="tile" role="img" title={said} aria-label={said}>
                  {mark?.key ?? "?"}
                </span>
              )}
              <small>{distance.toFixed(2)}</small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** How people of the project are called, by their number. */
function useNames(project: number): (user: number) => string {
  const members = useMembers(project);
  return (user) => members.data?.find((member) => member.user.id === user)?.user.display ?? "somebody";
}

const VERBS = { set: "labelled", agree: "agreed:", undo: "undone, again", clear: "took the label back" };

/** What people said about the cell, and what they want to say. */
function Told({ detail, mayComment }: { detail: ImageDetail; mayComment: boolean }) {
  const { project } = useRoom();
  const queries = useQueryClient();
  const classes = useDesk((desk) => desk.columns.classes);
  const nameOf = useNames(project.id);
  const [text, setText] = useState("");
  const comment = useMutation({
    mutationFn: () => send("POST", `/projects/${project.id}/images/${detail.id}/comments`, { text }),
    onSuccess: async () => {
      setText("");
      await queries.invalidateQueries({ queryKey: ["projects", project.id, "images", detail.id] });
    },
  });
  const titled = (label: string | null) =>
    label === null ? "none" : label === "?" ? "unsure" : (classes.find((mark) => mark.name === label)?.title ?? label);
  const lines = [
    ...detail.history.map((fact) => ({
      key: `f${fact.id}`,
      at: fact.at,
      who: nameOf(fact.user),
      text: fact.kind === "clear" ? VERBS.clear : `${VERBS[fact.kind]} ${titled(fact.label)}`,
    })),
    ...detail.comments.map(({ id, at, user, text }) => ({
      key: `c${id}`,
      at,
      who: nameOf(user),
      text: `“${text}”`,
    })),
  ].sort((a, b) => b.at.localeCompare(a.at));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) comment.mutate();
  };
  return (
    <section className="told">
      <h3>History</h3>
      {lines.length === 0 && <p className="small quiet">Nobody has said anything about this cell.</p>}
      <ul>
        {lines.map(({ key, at, who, text }) => (
          <li key={key}>
            <b>{who}</b> {text}{" "}
            <time className="quiet" dateTime={at} title={when(at)}>
              {ago(at)}
            </time>
          </li>
        ))}
      </ul>
      {mayComment && (
        <form onSubmit={submit}>
          <input
            className="form-control form-control-sm"
            placeholder="Comment"
            aria-label="Comment on this cell"
            maxLength={2000}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </form>
      )}
      <FaultLine fault={comment.error} />
    </section>
  );
}
