/** Which bin a cell lies in, and in what order a bin shows its cells. */

import { type Columns, isUnusual, NONE, READ, UNREADABLE, UNSURE, WAITING } from "../columns/columns";

/** Bins that are no type. Types have the codes of their classes. */
export const UNUSUAL_BIN = 251;
export const UNREADABLE_BIN = 252;
export const WAITING_BIN = 253;
export const UNSURE_BIN = UNSURE;

export interface Apart {
  /** Whether unusual cells that nobody labelled lie in a bin of their own. */
  unusual: boolean;
}

/** The bin of every row. What a person said comes first, then what the model reads. */
export function placed(columns: Columns, apart: Apart): Uint8Array {
  const place = new Uint8Array(columns.count);
  for (let row = 0; row < columns.count; row++) {
    const label = columns.label[row]!;
    if (label !== NONE) place[row] = label;
    else if (columns.status[row] === WAITING) place[row] = WAITING_BIN;
    else if (columns.status[row] === UNREADABLE) place[row] = UNREADABLE_BIN;
    else if (apart.unusual && isUnusual(columns, row)) place[row] = UNUSUAL_BIN;
    else if (columns.predicted[row] === NONE) place[row] = UNSURE_BIN;
    else place[row] = columns.predicted[row]!;
  }
  return place;
}

export type Sort = "uncertain" | "confident" | "novel" | "similar" | "arrival";

export const SORTS: Record<Sort, string> = {
  uncertain: "least certain",
  confident: "most certain",
  novel: "most unusual",
  similar: "most like the selected cells",
  arrival: "as uploaded",
};

/** Where each cell stands within its bin. Kept until it is sorted again, so that a refit does not shuffle the table. */
export interface BinOrder {
  id: Float64Array;
  place: Uint8Array;
  key: Float64Array;
  /** Falls with every arrival from another bin: who came last lies first. */
  turn: number;
}

/** What people labelled goes behind what is still to be looked at. */
const DONE = 1e4;

/** Sort keys of all cells by what is known now; small comes first. */
export function sorted(
  columns: Columns,
  place: Uint8Array,
  sort: Sort,
  distance?: (id: number, row: number) => number,
): BinOrder {
  const key = new Float64Array(columns.count);
  for (let row = 0; row < columns.count; row++) key[row] = keyOf(columns, row, sort, distance);
  return { id: columns.id, place, key, turn: 0 };
}

function keyOf(columns: Columns, row: number, sort: Sort, distance?: (id: number, row: number) => number): number {
  if (sort === "arrival" || columns.status[row] !== READ) return columns.id[row]!;
  if (sort === "similar") return distance ? distance(columns.id[row]!, row) : 0;
  const done = columns.label[row] === NONE ? 0 : DONE;
  if (sort === "novel") return done - columns.novelty[row]!;
  // Where it is held back how sure a reading is, nothing is known of its certainty.
  const margin = columns.margin[row]! || 0;
  return done + (sort === "uncertain" ? margin : -margin);
}

/** The same order for new columns: cells stay where they are, who changed its bin goes to the front of the new one. */
export function kept(
  before: BinOrder,
  columns: Columns,
  place: Uint8Array,
  sort: Sort,
  distance?: (id: number, row: number) => number,
): BinOrder {
  const key = new Float64Array(columns.count);
  let turn = before.turn;
  let old = 0;
  for (let row = 0; row < columns.count; row++) {
    const id = columns.id[row]!;
    while (old < before.id.length && before.id[old]! < id) old++;
    const known = old < before.id.length && before.id[old] === id;
    const was = known ? before.place[old]! : WAITING_BIN;
    if (known && was === place[row]) key[row] = before.key[old]!;
    else if (was === WAITING_BIN) key[row] = keyOf(columns, row, sort, distance);
    else key[row] = FRONT - ++turn;
  }
  return { id: columns.id, place, key, turn };
}

const FRONT = -1e6;

export interface Filter {
  who: "all" | "model" | "people";
  /** Only cells whose reading is at most this certain. */
  certainty: number;
  unusual: boolean;
  /** Of a case of which cells were drawn to be counted: only those, or only the others. */
  counted: "all" | "in" | "out";
  /** Only cells that have this tag. */
  tag: string | null;
  /** Only these images: what a search found. */
  among: ReadonlySet<number> | null;
}

export const EVERYTHING: Filter = { who: "all", certainty: 1, unusual: false, counted: "all", tag: null, among: null };

/** Whether a filter leaves cells out. */
export const isNarrowed = (filter: Filter): boolean =>
  filter.who !== "all" ||
  filter.certainty < 1 ||
  filter.unusual ||
  filter.counted !== "all" ||
  filter.tag !== null ||
  filter.among !== null;

/** The rows that a filter lets through, by bin and in order; `tagged` are the cells that have the tag it asks for. */
export function binned(
  columns: Columns,
  standing: BinOrder,
  filter: Filter,
  tagged: ReadonlySet<number> = NOBODY,
): Map<number, Int32Array> {
  const { place, key } = standing;
  const order = new Float64Array(columns.count);
  const real = new Float32Array(1);
  const bits = new Uint32Array(real.buffer);
  const size = new Map<number, number>();
  let shown = 0;
  for (let row = 0; row < columns.count; row++) {
    if (!passes(columns, row, filter) || (filter.tag !== null && !tagged.has(columns.id[row]!))) continue;
    // A float's bits, turned so that they sort as whole numbers, with the row behind them: one native sort does all.
    real[0] = key[row]!;
    const raw = bits[0]!;
    const rank = raw & 0x80000000 ? ~raw >>> 0 : (raw | 0x80000000) >>> 0;
    order[shown++] = rank * 2 ** 20 + row;
    const bin = place[row]!;
    size.set(bin, (size.get(bin) ?? 0) + 1);
  }
  const ranked = order.subarray(0, shown).sort();
  const bins = new Map<number, Int32Array>();
  const filled = new Map<number, number>();
  for (const [bin, count] of size) bins.set(bin, new Int32Array(count));
  for (let at = 0; at < shown; at++) {
    const row = ranked[at]! % 2 ** 20;
    const bin = place[row]!;
    const next = filled.get(bin) ?? 0;
    bins.get(bin)![next] = row;
    filled.set(bin, next + 1);
  }
  return bins;
}

const NOBODY: ReadonlySet<number> = new Set();

function passes(columns: Columns, row: number, filter: Filter): boolean {
  if (filter.who === "model" && columns.label[row] !== NONE) return false;
  if (filter.who === "people" && columns.label[row] === NONE) return false;
  if (filter.certainty < 1 && columns.probability[row]! > filter.certainty) return false;
  if (filter.unusual && !isUnusual(columns, row)) return false;
  if (filter.counted !== "all" && (columns.outside[row] !== 0) === (filter.counted === "in")) return false;
  return !filter.among || filter.among.has(columns.id[row]!);
}

/** Counts by bin of the cells that were drawn to be counted; null where all of them count. */
export function drawnCounts(columns: Columns, place: Uint8Array): Map<number, number> | null {
  if (!columns.outside.includes(1)) return null;
  return counted(place.filter((_, row) => columns.outside[row] === 0));
}

/** Counts by bin, whatever the filter. */
export function counted(place: Uint8Array): Map<number, number> {
  const counts = new Uint32Array(256);
  for (const bin of place) counts[bin]!++;
  return new Map([...counts].map((count, bin) => [bin, count] as const).filter(([, count]) => count > 0));
}
