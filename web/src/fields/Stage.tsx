import { type KeyboardEvent, type MouseEvent, useEffect, useRef, useState } from "react";
import { address } from "../api/client";
import type { FieldCellShown, FieldDetail } from "../api/schema";
import { useProjectContext } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { type Kind, useKindOf } from "./kind";
import { type Place, placeOf, stepped } from "./words";

interface Props {
  field: FieldDetail;
  zoom: number;
  chosen: number | null;
  /** Where a cell is being added. */
  pending: Place | null;
  may: boolean;
  choose: (box: FieldCellShown) => void;
  add: (at: Place) => void;
  remove: (box: FieldCellShown) => void;
}

/** The field's picture with a frame around every cell, in the colour and with the letter of its type. */
export function Stage({ field, zoom, chosen, pending, may, choose, add, remove }: Props) {
  const { project } = useProjectContext();
  const kindOf = useKindOf();
  const picture = useRef<HTMLDivElement>(null);
  const [cross, setCross] = useState<Place | null>(null);
  const left = (x: number) => `${(100 * x) / field.width}%`;
  const top = (y: number) => `${(100 * y) / field.height}%`;
  // The cell that the desk holds comes into view, however large the field is shown.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another magnification moves it
  useEffect(() => {
    if (chosen !== null)
      picture.current?.querySelector(`[data-box="${chosen}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [chosen, zoom]);

  const click = (event: MouseEvent) => {
    if (!may || !picture.current) return;
    add(placeOf(event, picture.current.getBoundingClientRect(), field));
  };
  const keys = (event: KeyboardEvent) => {
    if (!may || event.target !== picture.current) return;
    const next = stepped(cross, event.key, event.shiftKey, field);
    if (next) setCross(next);
    else if (event.key === "Enter" && cross) add(cross);
    else if (event.key === "Escape") setCross(null);
    else return;
    event.preventDefault();
  };
  return (
    <div className="field-scroll">
      {/* biome-ignore lint/a11y/useSemanticElements: a picture that is pointed into, no part of a form */}
      <div
        ref={picture}
        className="field-picture"
        style={{
          width: `calc(${zoom} * min(100cqw, 100cqh * ${field.width / field.height}))`,
          aspectRatio: `${field.width} / ${field.height}`,
        }}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move a cross over it
        tabIndex={0}
        role="group"
        aria-label={may ? "Field: arrow keys move a cross, Enter adds the cell under it" : "Field"}
        onClick={click}
        onKeyDown={keys}
      >
        <img
          src={address(`/projects/${project.id}/fields/${field.id}/picture`)}
          alt={`Field ${field.name}`}
          draggable={false}
        />
        {field.boxes.map((box) => {
          const kind = kindOf(box.image);
          return (
            <button
              key={box.id}
              type="button"
              data-box={box.id}
              className={`field-cell typed ${classOf(box, kind)}`}
              aria-label={nameOfBox(box, kind)}
              aria-pressed={chosen === box.id}
              style={{
                ...inks(kind.mark),
                left: left(box.x),
                top: top(box.y),
                width: left(box.width),
                height: top(box.height),
              }}
              onClick={(event) => {
                event.stopPropagation();
                choose(box);
              }}
              onKeyDown={(event) => {
                if (event.key === "Delete") remove(box);
              }}
            >
              <span aria-hidden="true">
                {box.seen_in !== null ? "=" : box.image === null ? "×" : <Letter mark={kind.mark} />}
              </span>
            </button>
          );
        })}
        {pending && <i className="field-pending" style={{ left: left(pending.x), top: top(pending.y) }} />}
        {cross && <i className="field-cross" aria-hidden="true" style={{ left: left(cross.x), top: top(cross.y) }} />}
      </div>
    </div>
  );
}

function classOf(box: FieldCellShown, kind: Kind): string {
  if (box.seen_in !== null) return "elsewhere";
  if (box.image === null) return "removed";
  return kind.labelled ? "labelled" : "";
}

function nameOfBox(box: FieldCellShown, kind: Kind): string {
  if (box.seen_in !== null) return "Counted in another field";
  if (box.image === null) return box.removed_at === null ? "Found, in no count" : "Removed: no white cell";
  const marks = box.marks.length ? `, ${box.marks.join(", ")}` : "";
  return `Cell ${box.image}, ${kind.words}${box.added_by === null ? "" : ", added by a person"}${marks}`;
}
