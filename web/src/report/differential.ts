/** What the report says, worked out from the service's differential and from nothing else. */

import type { CountRow, DifferentialShown, ClassShown as Mark } from "../api/schema";

/** A share as a whole report writes it: one decimal, as 200 cells give no more. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** A 95% interval in percent: "48.6 to 62.1". */
export function interval({ low, high }: { low: number; high: number }): string {
  return `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
}

/** How a count differs from the model's alone: "+3", "−2", or nothing. U+2212 lines up with the plus sign. */
export function change(row: CountRow): string {
  const by = row.after.count - row.before.count;
  return by === 0 ? "" : by > 0 ? `+${by}` : `\u2212${-by}`;
}

/** Types that count otherwise now than by the model alone. */
export function changed(differential: DifferentialShown): CountRow[] {
  return differential.rows.filter((row) => row.after.count !== row.before.count);
}

/** Cells of a type that no person labelled; null where an old record does not say. */
export function notReviewed(row: { after: { count: number }; reviewed: number | null }): number | null {
  return row.reviewed === null ? null : row.after.count - row.reviewed;
}

/** Cells with a person's label, those labelled unsure included; null where an old record does not say. */
export function reviewedCells({ rows, apart, excluded, unsure }: DifferentialShown): number | null {
  const counts = [...rows, ...Object.values(apart), ...Object.values(excluded)].map(({ reviewed }) => reviewed);
  return counts.reduce<number | null>((sum, n) => (sum === null || n === null ? null : sum + n), unsure);
}

/** The panels that taught the model, by their titles: "the panel “Blasts of March”"; records of before have numbers. */
export function panelWords({ taught_by_panels, panel_titles }: DifferentialShown): string {
  const named = panel_titles.length ? panel_titles.map((title) => `\u201c${title}\u201d`) : taught_by_panels;
  return named.length ? `the ${named.length === 1 ? "panel" : "panels"} ${named.join(", ")}` : "";
}

const PLATELET = "platelet";

/** Whether a type that is counted apart is platelets, or a kind of them: crops of white cells do not say how many. */
export const ofPlatelets = ({ apart }: DifferentialShown, name: string): boolean =>
  name === PLATELET || apart[name]?.parent === PLATELET;

/** Cells of a type counted apart for every 100 leukocytes; old records say it of erythroblasts alone, or of platelets. */
export function per100(differential: DifferentialShown, name: string): number | null {
  const { apart, erythroblasts_per_100 } = differential;
  if (ofPlatelets(differential, name)) return null;
  return apart[name]?.per_100 ?? (name === "erythroblast" ? erythroblasts_per_100 : null);
}

/** Landis and Koch's words for a kappa (1977), which reviewers know. */
export function strength(kappa: number): string {
  if (kappa < 0) return "poor";
  for (const [above, word] of [
    [0.8, "almost perfect"],
    [0.6, "substantial"],
    [0.4, "moderate"],
    [0.2, "fair"],
  ] as const) {
    if (kappa > above) return word;
  }
  return "slight";
}

/** What is needed to choose cells that stand for their type. */
export interface Chosen {
  id: ArrayLike<number>;
  predicted: ArrayLike<number>;
  label: ArrayLike<number>;
  probability: ArrayLike<number>;
  case?: ArrayLike<number>;
  /** 1 for a cell that is not among those that were drawn to be counted: it stands for no count. */
  outside?: ArrayLike<number>;
}

const NONE = 255;

/**
 * Up to `count` cells of each class, the clearest first: those a person has named, then by the reader's certainty.
 * A cell belongs to its label if it has one, else to what was read.
 */
export function representatives(cells: Chosen, classes: number, count = 6, ofCase: number | null = null): number[][] {
  const found: { index: number; rank: number }[][] = Array.from({ length: classes }, () => []);
  for (let i = 0; i < cells.id.length; i++) {
    if ((ofCase !== null && cells.case?.[i] !== ofCase) || cells.outside?.[i]) continue;
    const named = cells.label[i] !== NONE;
    const group = named ? cells.label[i]! : cells.predicted[i]!;
    // Unsure (254) and unread (255) stand for no type.
    if (group >= classes) continue;
    const agreed = cells.predicted[i] === group ? cells.probability[i]! || 0 : 0; // NaN where held back
    found[group]!.push({ index: i, rank: agreed + (named ? 1 : 0) });
  }
  return found.map((group) =>
    group
      .sort((a, b) => b.rank - a.rank)
      .slice(0, count)
      .map(({ index }) => cells.id[index]!),
  );
}

/** Marks by name, for looking up the letter and colours of a row. */
export function byName(classes: Mark[]): Map<string, Mark> {
  return new Map(classes.map((mark) => [mark.name, mark]));
}
