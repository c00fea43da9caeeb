import { useEffect, useState } from "react";
import { useMemberNames } from "../api/queries";
import { isUnusual, NONE, READ, rowOf } from "../columns/columns";
import { InField } from "../fields/InField";
import { OnReport } from "../findings/OnReport";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { CellTags } from "../tags/CellTags";
import { inks } from "../ui/marks";
import { FaultLine } from "../ui/states";
import { FileName } from "./FileName";
import { History } from "./History";
import { Known } from "./Known";
import { LargeCrop } from "./LargeCrop";
import { Like } from "./Like";
import { OnMap } from "./OnMap";
import { useImage } from "./queries";
import { Readings } from "./Readings";
import { Teach } from "./Teach";
import "./cell.scss";

interface Props {
  heat: boolean;
  setHeat: (heat: boolean) => void;
  compare: () => void;
  mayLabel: boolean;
  label: (label: string | null) => void;
  agree: () => void;
  show: (image: number) => void;
  /** Open the tags of what is selected; null for whoever may only look. */
  tag: (() => void) | null;
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

/** The chosen cell: its picture, its reading, similar cells, labels and comments. */
export function CellPanel(props: Props) {
  const { project } = useProjectContext();
  const chosen = useProjectState((state) => state.chosen);
  const columns = useProjectState((state) => state.columns);
  const moved = useProjectState((state) => (chosen === null ? undefined : state.moved.get(chosen)));
  const nameOf = useMemberNames(project.id);
  const settled = useSettled(chosen, 80);
  const row = chosen === null ? -1 : rowOf(columns, chosen);
  const image = settled === chosen && row >= 0 ? settled : null;
  const version = row >= 0 ? columns.version[row]! : 0;
  const followed = useFollowed("cell");
  const detail = useImage(project.id, image, `${columns.event} ${version} ${followed}`);
  const shown = detail.data?.id === chosen ? detail.data : undefined;
  if (chosen === null || row < 0) {
    return <p className="cell-none quiet">Choose a cell to see it large.</p>;
  }

  const labelled = columns.label[row] !== NONE;
  const person = labelled ? columns.classes[columns.label[row]!] : undefined;
  const reading = columns.status[row] === READ ? columns.classes[columns.predicted[row]!] : undefined;
  return (
    <div className="cell">
      <div className="cell-picture">
        <h2>
          <span className="quiet">cell</span> {String(chosen).padStart(6, "0")}
        </h2>
        {shown && <FileName key={`${chosen} ${shown.name}`} image={chosen} name={shown.name} may={props.mayLabel} />}
        <LargeCrop
          project={project.id}
          image={chosen}
          heat={props.heat && columns.status[row] === READ}
          labelSet={columns.labelSet}
          label={person?.name ?? reading?.name ?? null}
        />
        <div className="cell-acts">
          <button
            type="button"
            className="bin-act"
            aria-pressed={props.heat}
            onClick={() => props.setHeat(!props.heat)}
          >
            heat map <kbd className="key">H</kbd>
          </button>
          <button type="button" className="bin-act" onClick={props.compare}>
            compare <kbd className="key">=</kbd>
          </button>
          {props.mayLabel && <OnReport image={chosen} />}
        </div>
      </div>
      <div className="cell-known">
        <p className="cell-label typed" style={inks(person ?? reading)}>
          <i className="swatch" aria-hidden="true" />{" "}
          {labelled ? (
            <>
              Labelled <b>{person?.title ?? "unsure"}</b>
              {columns.labelled_by[row]! >= 0 && ` by ${nameOf(columns.labelled_by[row]!)}`}
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
          {shown?.unfamiliar ? (
            <span
              className="odd-note"
              title="It looks like nothing that the model or this scanner's labels know: its reading is a best guess."
            >
              unfamiliar
            </span>
          ) : isUnusual(columns, row) ? (
            <span className="odd-note" title="It lies farther from all known cells than 99 in 100 of them do.">
              unusual
            </span>
          ) : null}
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

        <CellTags image={chosen} detail={shown} tag={props.tag} />
        <Teach image={chosen} type={person?.title ?? null} />
        {shown && <Readings detail={shown} names={[columns.labelSet]} />}
        {shown?.in_field && <InField image={shown.id} at={shown.in_field} />}
        <Like image={image} title="Like these of the project" show={props.show} />
        <Known image={image} />
        {shown && (
          <Readings
            detail={shown}
            names={Object.keys(shown.sets).filter((name) => name !== columns.labelSet)}
            elsewhere
          />
        )}
        <OnMap x={columns.x[row]!} y={columns.y[row]!} mark={person ?? reading} image={chosen} />
        {shown && <History detail={shown} mayComment={project.role !== "viewer"} />}
        {detail.isError && <FaultLine fault={detail.error} />}
      </div>
    </div>
  );
}
