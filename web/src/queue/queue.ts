/** The queue as the screen walks it: where one is, which labels were given, what comes next. */

import type { Forecast, NextShown, paths } from "../api/schema";
import { type Columns, NONE, rowOf } from "../columns/columns";

export type Strategy = NonNullable<
  NonNullable<paths["/api/v1/projects/{project}/next"]["get"]["parameters"]["query"]>["strategy"]
>;

export const STRATEGIES: Record<Strategy, { title: string; about: string }> = {
  uncertainty: { title: "Least certain", about: "cells of which the model is least sure" },
  margin: { title: "Between two types", about: "cells where the first and second type lie close together" },
  diversity: { title: "All corners", about: "cells far from one another, so that every region gets a label" },
  novelty: { title: "Most unusual", about: "cells least like any known cell" },
  adapt: {
    title: "Adapt to a scanner",
    about: "ten typical cells first, then the least sure; every fourth is drawn at random, to check",
  },
  typical: { title: "Most typical", about: "cells in the midst of many others, for the first few labels" },
};

/** A walk along the queue. Cells stay in their order, so that one can step back to the last answer. */
export interface Walk {
  items: NextShown[];
  at: number;
  /** Labels given here, by image; null for skipped. */
  answers: ReadonlyMap<number, string | null>;
}

export const START: Walk = { items: [], at: 0, answers: new Map() };

/** How many cells a question leaves out: the service takes 1000, proxies an address of 8 KiB. */
export const LEFT_OUT = 400;

/**
 * The cells that the walk came by, or is at, and that got no label: the next round leaves out the last of them. A cell
 * that came again, as its label did not last, comes no third time: else a walk on which it is refused would never end.
 */
export function skipped({ items, at, answers }: Walk): number[] {
  const passed = items.slice(0, at + 1).map(({ image }) => image);
  return passed.filter((image, nth) => !answers.has(image) || passed.indexOf(image) < nth).slice(-LEFT_OUT);
}

/**
 * More of the queue behind what is known; a cell comes once, or again where its label did not last, or where it was
 * skipped very long ago. The cell on the screen and the one just answered do not come again at once.
 */
export function extended(walk: Walk, fresh: NextShown[]): Walk {
  const here = walk.items.slice(Math.max(0, walk.at - 1)).map(({ image }) => image);
  const known = new Set([...skipped(walk), ...here]);
  return { ...walk, items: [...walk.items, ...fresh.filter(({ image }) => !known.has(image))] };
}

/** What of an answer nobody has labelled by now: labels may have been given, here or elsewhere, since it was made. */
export function unlabelled(fresh: NextShown[], columns: Columns): NextShown[] {
  return fresh.filter(({ image }) => {
    const row = rowOf(columns, image);
    return row < 0 || columns.label[row] === NONE;
  });
}

/** Label the current cell and go on. */
export function answered(walk: Walk, label: string | null): Walk {
  const item = walk.items[walk.at];
  if (!item) return walk;
  return { ...walk, at: walk.at + 1, answers: new Map([...walk.answers, [item.image, label]]) };
}

export function step(walk: Walk, by: 1 | -1): Walk {
  return { ...walk, at: Math.min(walk.items.length, Math.max(0, walk.at + by)) };
}

/** Take up the queue in a new order behind the current cell: what was not reached yet is chosen anew. */
export function renewed(walk: Walk, fresh: NextShown[]): Walk {
  return extended({ ...walk, items: walk.items.slice(0, walk.at + 1) }, fresh);
}

/** The planner looks no farther than so many times the labels there are. */
const FARTHEST = 9;

/** Whether more labels than the interval's upper end says may be needed: nobody knows how many. */
export const openUpwards = ({ high, labels }: Forecast): boolean => labels > 0 && high >= FARTHEST * labels;

/** What the forecast says in a sentence. */
export function forecastWords(forecast: Forecast): string {
  const target = `macro-F1 of ${forecast.target.toFixed(2)}`;
  if (forecast.more <= 0) return `A ${target} is reached by your labels alone.`;
  const low = Math.max(0, forecast.low);
  const to = `to a ${target} by your labels alone.`;
  if (openUpwards(forecast)) {
    return low > 0
      ? `At least ${low} more labels, most likely about ${forecast.more}, ${to}`
      : `About ${forecast.more} more labels ${to} It may take many more.`;
  }
  const range = forecast.low === forecast.high ? "" : ` (${low} to ${forecast.high})`;
  return `About ${forecast.more} more labels${range} ${to}`;
}
