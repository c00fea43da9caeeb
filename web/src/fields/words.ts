/** Words about fields of view, and the geometry of a click in one. */

import type { FieldShown, FinderFitted, FinderShown } from "../api/schema";

const cells = (count: number) => `${count.toLocaleString("en")} ${count === 1 ? "white cell" : "white cells"}`;

type Counts = Pick<FieldShown, "cells" | "added" | "removed" | "seen_again" | "uncounted">;

/** "4 white cells, 1 added, 1 removed, 2 counted in another field, 1 not counted" */
export function countWords({ cells: count, added, removed, seen_again: elsewhere, uncounted }: Counts): string {
  return [
    cells(count),
    ...(added ? [`${added} added`] : []),
    ...(removed ? [`${removed} removed`] : []),
    ...(elsewhere ? [`${elsewhere} counted in another field`] : []),
    ...(uncounted ? [`${uncounted} not counted`] : []),
  ].join(", ");
}

/** "missed 2 of 120, false 3, in 12 fields that were looked at as a whole"; what nobody has looked at says nothing. */
export function finderWords({ checked, cells, missed, false_cells: wrong }: FinderShown): string {
  if (!checked) return "No field was looked at as a whole yet: what the search misses here is unknown.";
  const fields = checked === 1 ? "1 field that was" : `${checked.toLocaleString("en")} fields that were`;
  return `The search missed ${missed} of ${cells.toLocaleString("en")}, false ${wrong}, in ${fields} looked at as a whole.`;
}

/** What fitting the search to corrected fields came to. */
export function fitWords(fit: FinderFitted): string {
  const fields = fit.fields === 1 ? "1 field" : `${fit.fields.toLocaleString("en")} fields`;
  if (fit.least === fit.before) {
    return `The score stays ${score(fit.before)}: in ${fields} no other is better beyond chance (mends ${fit.mended}, spoils ${fit.spoilt}).`;
  }
  return (
    `Cases that begin from now on are searched from a score of ${score(fit.least)} instead of ${score(fit.before)}. ` +
    `In ${fields}: missed ${fit.missed} instead of ${fit.missed_before}, false ${fit.false_cells} instead of ${fit.false_before}.`
  );
}

export const score = (value: number) => value.toFixed(2);

export interface Place {
  x: number;
  y: number;
}

/** Where in the field's own pixels a click on its picture fell, whatever its size on screen. */
export function placeOf(
  click: { clientX: number; clientY: number },
  shown: { left: number; top: number; width: number; height: number },
  field: Pick<FieldShown, "width" | "height">,
): Place {
  const along = (at: number, from: number, length: number, pixels: number) =>
    Math.min(Math.max(((at - from) / length) * pixels, 0), pixels - 1);
  return {
    x: along(click.clientX, shown.left, shown.width, field.width),
    y: along(click.clientY, shown.top, shown.height, field.height),
  };
}

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The cross after an arrow key: half a red cell, a tenth with Shift; null for another key. */
export function stepped(
  at: Place | null,
  key: string,
  fine: boolean,
  field: Pick<FieldShown, "width" | "height" | "red_cell_px">,
): Place | null {
  const step = STEPS[key];
  if (!step) return null;
  const from = at ?? { x: field.width / 2, y: field.height / 2 };
  const length = field.red_cell_px * (fine ? 0.1 : 0.5);
  const within = (value: number, most: number) => Math.min(Math.max(value, 0), most - 1);
  return { x: within(from.x + step[0] * length, field.width), y: within(from.y + step[1] * length, field.height) };
}
