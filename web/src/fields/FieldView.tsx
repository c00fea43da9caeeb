import { useCallback, useEffect, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate, useParams } from "react-router";
import { useMemberNames } from "../api/queries";
import type { FieldCellShown, FieldDetail } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { elsewhere } from "../gallery/keys";
import { profileOf, useProfiles } from "../profiles/profiles";
import { useProjectContext, useProjectState } from "../project/context";
import { Failure, FaultLine, Loading, Unseen } from "../ui/states";
import { ChosenCell } from "./ChosenCell";
import { useField, useFieldActions } from "./queries";
import { Stage } from "./Stage";
import { countWords, finderWords, type Place } from "./words";
import "./fields.scss";

/** A whole field with the cells that were found in it: add one that is missing, remove what is none. */
export default function FieldView() {
  const number = Number(useParams().field);
  const field = useField(number);
  if (field.isPending) return <Loading what="Opening the field" />;
  if (field.isError) return <Failure fault={field.error} retry={() => field.refetch()} />;
  return <Opened key={number} field={field.data} />;
}

function Opened({ field }: { field: FieldDetail }) {
  const { project, store } = useProjectContext();
  const chosenImage = useProjectState((state) => state.chosen);
  const inHand = useProjectState((state) => state.case);
  const search = useCaseSearch();
  const navigate = useNavigate();
  const nameOf = useMemberNames(project.id);
  const finder = profileOf(useProfiles(inHand).data)?.finder;
  const { add, remove, check } = useFieldActions(field.id);
  /** A removed cell has no image, so the desk cannot hold it as the chosen one. */
  const [gone, setGone] = useState<number | null>(null);
  const [zoom, setZoom] = useState(1);
  const may = project.role !== "viewer" && !project.archived;
  const busy = add.isPending || remove.isPending;
  const chosen = field.boxes.find(({ id, image }) =>
    gone !== null ? id === gone : image !== null && image === chosenImage,
  );

  const choose = (box: FieldCellShown) => {
    if (box.image !== null) store.select([box.image]);
    setGone(box.image === null ? box.id : null);
  };
  const addAt = (at: Place) => {
    if (!may || busy) return;
    remove.reset();
    add.mutate(at, { onSuccess: (box) => choose(box) });
  };
  const removeCell = (box: FieldCellShown) => {
    if (!may || busy || box.image === null) return;
    add.reset();
    remove.mutate(box.id, {
      onSuccess: () => {
        store.select([]);
        setGone(box.id);
      },
    });
  };
  const to = useCallback(
    (other: number | null) => {
      if (other !== null) navigate({ pathname: `/projects/${project.id}/fields/${other}`, search });
    },
    [navigate, project.id, search],
  );
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (elsewhere(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "[") to(field.before);
      else if (event.key === "]") to(field.after);
    };
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, [to, field.before, field.after]);

  return (
    <div className="field-view">
      <Unseen title={`Field ${field.name}`} />
      <section className="field-stage" aria-label={`Field ${field.name}`}>
        <nav className="field-bar" aria-label="Fields">
          <Link to={{ pathname: `/projects/${project.id}/fields`, search }}>All fields</Link>
          <Button variant="link" size="sm" disabled={field.before === null} onClick={() => to(field.before)}>
            <kbd className="key">[</kbd> before
          </Button>
          <Button variant="link" size="sm" disabled={field.after === null} onClick={() => to(field.after)}>
            next <kbd className="key">]</kbd>
          </Button>
          <span className="push">
            {[1, 2, 4].map((times) => (
              <button
                key={times}
                type="button"
                className="bin-act"
                aria-pressed={zoom === times}
                onClick={() => setZoom(times)}
              >
                {times === 1 ? "fit" : `${times}×`}
              </button>
            ))}
          </span>
        </nav>
        <Stage
          field={field}
          zoom={zoom}
          chosen={chosen?.id ?? null}
          pending={add.isPending ? (add.variables ?? null) : null}
          may={may}
          choose={choose}
          add={addAt}
          remove={removeCell}
        />
      </section>
      <aside className="field-side">
        <h2>{field.name}</h2>
        <p>{countWords(field)}</p>
        <p className={field.fair ? "quiet" : "unfair"}>{field.fairness}</p>
        <FaultLine fault={add.error ?? remove.error ?? check.error} />
        {chosen ? (
          <ChosenCell
            box={chosen}
            may={may && !busy}
            remove={() => removeCell(chosen)}
            restore={() => addAt({ x: chosen.x + chosen.width / 2, y: chosen.y + chosen.height / 2 })}
          />
        ) : (
          may && (
            <p className="quiet small">
              Click where a white cell is missing, or on a box to see that cell. With keys: arrows move a cross over the
              field, Enter adds the cell under it, Tab goes from cell to cell, Delete removes what is no white cell.
            </p>
          )
        )}
        <Form.Check
          id="field-checked"
          type="checkbox"
          disabled={!may || check.isPending}
          checked={check.isPending ? check.variables : field.checked_at !== null}
          onChange={(event) => check.mutate(event.target.checked)}
          label={
            field.checked_by === null
              ? "I looked at the whole field: the boxes are right"
              : `Looked at as a whole by ${nameOf(field.checked_by)}`
          }
        />
        {finder && <p className="quiet small">{finderWords(finder)}</p>}
        <p className="quiet small">
          {field.width} × {field.height} pixels, red cells {field.red_cell_px.toFixed(0)} wide ({field.scale_from}).
        </p>
      </aside>
    </div>
  );
}
