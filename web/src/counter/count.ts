/** A count by keys, as with a counter beside a microscope: every press is a cell, and it stops at its target. */

import type { ClassShown as Mark } from "../api/schema";

export const TARGETS = [50, 100, 200, 400];

/** Cells in the order in which they were counted, by name of their type; and how many leukocytes end the count. */
export interface Count {
  cells: readonly string[];
  target: number;
}

export const START: Count = { cells: [], target: 100 };

/** Whether cells of a type count towards the target: as the laboratory counts them in a differential. */
const counts = (name: string, classes: readonly Mark[]): Mark["counts"] =>
  classes.find((mark) => mark.name === name)?.counts ?? "in";

export const isBeside = (name: string, classes: readonly Mark[]): boolean => counts(name, classes) !== "in";

/** How many cells count towards the target: those that are counted in the hundred. */
export const counted = ({ cells }: Count, classes: readonly Mark[]): number =>
  cells.reduce((sum, name) => sum + (isBeside(name, classes) ? 0 : 1), 0);

export const full = (count: Count, classes: readonly Mark[]): boolean => counted(count, classes) >= count.target;

/** One more cell; a full count takes none, not even one that is counted apart. */
export const pressed = (count: Count, name: string, classes: readonly Mark[]): Count =>
  full(count, classes) ? count : { ...count, cells: [...count.cells, name] };

export const takenBack = (count: Count): Count => ({ ...count, cells: count.cells.slice(0, -1) });

export interface Line {
  mark: Mark;
  cells: number;
  /** Of the leukocytes; null for what is counted apart, and while nothing is counted. */
  share: number | null;
  /** For 100 leukocytes, of what is counted apart; null otherwise. */
  per100: number | null;
}

/** The counts of all types, in the order of their keys on the desk. */
export function lines(count: Count, classes: readonly Mark[]): Line[] {
  const total = counted(count, classes);
  const by = new Map<string, number>();
  for (const name of count.cells) by.set(name, (by.get(name) ?? 0) + 1);
  return classes.map((mark) => {
    const cells = by.get(mark.name) ?? 0;
    return {
      mark,
      cells,
      share: mark.counts === "in" && total ? cells / total : null,
      per100: mark.counts === "apart" && total ? (100 * cells) / total : null,
    };
  });
}

/** The count as lines of text, for a note or another system. */
export function asText(found: readonly Line[], total: number): string {
  const rows = found
    .filter(({ cells }) => cells > 0)
    .map(({ mark, cells, share, per100 }) => {
      const said =
        share !== null ? `${(100 * share).toFixed(1)}%` : per100 !== null ? `${per100.toFixed(1)} per 100` : "";
      return `${mark.title}\t${cells}\t${said}`;
    });
  return [`Counted by key\t${total}`, ...rows].join("\n");
}

/** What was kept of a count, if it is one. */
export function read(kept: string | null): Count {
  try {
    const { cells, target } = JSON.parse(kept ?? "") as Partial<Count>;
    if (Array.isArray(cells) && cells.every((one) => typeof one === "string") && TARGETS.includes(target ?? 0))
      return { cells, target: target! };
  } catch {
    // Nothing, or something else, was kept.
  }
  return START;
}
