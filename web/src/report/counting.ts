/** How the cells that count were drawn, in words. */

import type { CellDraw, CountingChoice, FieldShown } from "../api/schema";
import { when } from "../ui/time";

const WAYS: Record<CellDraw["method"], string> = {
  random: "at random",
  battlement: "field after field, from a drawn one",
};

/** As many leukocytes as may be asked for. */
export const SIZES = [100, 200, 400] as const;

/** Whether one can count field after field: there are cells in fields that are fair; single crops lie in none. */
export const inFields = (fields: readonly Pick<FieldShown, "fair" | "cells">[]): boolean =>
  fields.some(({ fair, cells }) => fair && cells > 0);

const count = (cells: number) => cells.toLocaleString("en");

/** What counts, how it was drawn and by whom, and what became of the case since; the seed makes the order again. */
export function drawnWords(draw: CellDraw, gone = 0, later = 0): string {
  const { method, seed, name, at } = draw;
  const said = [`${count(draw.counted_cells)} of ${count(draw.eligible_cells)} cells count, drawn ${WAYS[method]}`];
  said.push(
    draw.counted_leukocytes < draw.target_leukocytes
      ? `: all there were, ${count(draw.counted_leukocytes)} of the ${count(draw.target_leukocytes)} leukocytes that were wanted.`
      : ` until ${count(draw.target_leukocytes)} leukocytes were met.`,
  );
  if (draw.cells_in_unfair_fields)
    said.push(` ${count(draw.cells_in_unfair_fields)} in fields unfit for counting took no part.`);
  if (gone) said.push(` ${count(gone)} drawn ${gone === 1 ? "cell is" : "cells are"} in the case no more.`);
  if (later) said.push(` ${count(later)} came since, and ${later === 1 ? "counts" : "count"} nowhere.`);
  said.push(` Seed ${seed}, ${name}, ${when(at)}.`);
  return said.join("");
}

/** What counts of all cells of a project, where so many are of cases that cells were drawn of, and are not among those. */
export const undrawnWords = (outside: number): string =>
  `${count(outside)} ${outside === 1 ? "cell is" : "cells are"} counted nowhere here: of cases whose cells were drawn, those that were not.`;

/** One choice of the cells that count: what, by whom, when, and why. */
export function choiceWords(choice: CountingChoice): string {
  const { target_leukocytes, method, labelled_cells, name, at, reason } = choice;
  const what =
    target_leukocytes === null || method === null
      ? "All cells"
      : `${count(target_leukocytes)} leukocytes ${WAYS[method]}`;
  const known =
    labelled_cells === null ? "" : `, ${count(labelled_cells)} ${labelled_cells === 1 ? "cell" : "cells"} labelled`;
  return `${what}: ${name}, ${when(at)}${known}; ${reason || "no reason given"}`;
}
