/** What the report says, worked out from the service's differential and from nothing else. */

import type { Mark } from "../api/types";

export interface Share {
  count: number;
  share: number;
  low: number;
  high: number;
}

export interface DifferentialRow {
  label: string;
  title: string;
  before: Share;
  after: Share;
}

export interface Moved {
  from: string;
  to: string;
  count: number;
}

export interface Differential {
  total: number;
  rows: DifferentialRow[];
  /** Cells counted beside the leukocytes, by type. */
  apart: Record<string, { before: number; after: number }>;
  erythroblasts_per_100: number | null;
  unsure: number;
  unreviewed: number;
  /** Not read yet. */
  waiting: number;
  unreadable: number;
  reclassified: Moved[];
  /** The newest label among these cells. */
  revision: number;
  bundle: string;
}

/** Agreement beyond chance; null where it says nothing. */
export interface Kappa {
  kappa: number | null;
  low: number | null;
  high: number | null;
  agreement: number | null;
  n: number;
}

export interface Agreement {
  human_model: Kappa;
  humans: (Kappa & { a: number; b: number })[];
}

export interface Signature {
  id: number;
  case: number | null;
  user: number;
  name: string;
  at: string;
  role: "first" | "second";
  note: string;
  revision: number;
  /** Whether nobody labelled any of its cells since. */
  current: boolean;
  differential: Differential;
}

/** A share as a whole report writes it: one decimal, as 200 cells give no more. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** A 95% interval in percent: "48.6 to 62.1". */
export function interval({ low, high }: { low: number; high: number }): string {
  return `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
}

/** How a count has changed: "+3", "−2", or nothing. U+2212 lines up with the plus sign. */
export function change(row: DifferentialRow): string {
  const by = row.after.count - row.before.count;
  return by === 0 ? "" : by > 0 ? `+${by}` : `\u2212${-by}`;
}

/** Types whose count differs before and after review. */
export function changed(differential: Differential): DifferentialRow[] {
  return differential.rows.filter((row) => row.after.count !== row.before.count);
}

/** What stands between these cells and a signature, in words; empty if nothing does. */
export function blocking(differential: Differential): string[] {
  const said: string[] = [];
  const cells = (n: number) => (n === 1 ? "1 cell is" : `${n} cells are`);
  if (differential.waiting) said.push(`${cells(differential.waiting)} not read yet`);
  if (differential.unreadable) said.push(`${cells(differential.unreadable)} unreadable`);
  if (differential.unsure) said.push(`${cells(differential.unsure)} marked unsure`);
  return said;
}

/** The signature of a role that counts now: the newest one of these cells. */
export function standing(
  signatures: Signature[],
  ofCase: number | null,
  role: Signature["role"],
): Signature | undefined {
  return signatures.findLast((each) => each.case === ofCase && each.role === role);
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
}

const NONE = 255;

/**
 * Up to `count` cells of each class, the clearest first: those a person has named, then by the reader's certainty.
 * A cell belongs to its label if it has one, else to what was read.
 */
export function representatives(cells: Chosen, classes: number, count = 6, ofCase: number | null = null): number[][] {
  const found: { index: number; rank: number }[][] = Array.from({ length: classes }, () => []);
  for (let i = 0; i < cells.id.length; i++) {
    if (ofCase !== null && cells.case?.[i] !== ofCase) continue;
    const named = cells.label[i] !== NONE;
    const group = named ? cells.label[i]! : cells.predicted[i]!;
    // Unsure (254) and unread (255) stand for no type.
    if (group >= classes) continue;
    const agreed = cells.predicted[i] === group ? cells.probability[i]! : 0;
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
