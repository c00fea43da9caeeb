/**
 * The cells of a project as columns: one typed array a column, one row a cell, in the order of ids.
 *
 * A hundred thousand cells are five megabytes here and one request; as objects they would be neither.
 */

import type { ClassShown as Mark } from "../api/schema";

/** No label, no prediction. */
export const NONE = 255;
/** The label of a cell that a person could not decide on. */
export const UNSURE = 254;

export const WAITING = 0;
export const READ = 1;
export const UNREADABLE = 2;

export interface Columns {
  /** The project's event up to which these columns are complete; sent back to ask what changed since. */
  event: number;
  /** The last label that the classifier had learnt; 0 for the model as it came. */
  taughtUntil: number;
  count: number;
  labelSet: string;
  /** What the label set is called. */
  title: string;
  /** The cell type that it is asked of; null for every cell. */
  askedOf: string | null;
  classes: Mark[];
  /** The project's cases; a locked one is signed, and its cells take no label. */
  cases: { id: number; key: string; locked?: boolean }[];
  /** A cell of a higher novelty is unusual: it lies farther out than 99 of 100 known cells. */
  noveltyLimit: number;
  id: Float64Array;
  predicted: Uint8Array;
  label: Uint8Array;
  probability: Float32Array;
  /** First probability less the second. */
  margin: Float32Array;
  novelty: Float32Array;
  x: Float32Array;
  y: Float32Array;
  case: Int32Array;
  version: Float64Array;
  status: Uint8Array;
  labelled_by: Int32Array;
  /** 1 where the label set is asked of the cell. */
  asked: Uint8Array;
  /** 1 where other cells of its case were drawn to be counted, so that it counts nowhere. */
  outside: Uint8Array;
}

/** What came over the line: all columns, or those rows that are new or changed. */
export interface Delivery extends Columns {
  /** True where this replaces everything known so far. */
  full: boolean;
  /** Cells of the project, those not in this delivery included. */
  total: number;
  etag: string | null;
}

const KINDS = {
  uint8: Uint8Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

type Kind = keyof typeof KINDS;
type Numbers = Uint8Array | Int32Array | Float32Array | Float64Array;

export const ROWS = {
  id: "float64",
  predicted: "uint8",
  label: "uint8",
  probability: "float32",
  margin: "float32",
  novelty: "float32",
  x: "float32",
  y: "float32",
  case: "int32",
  version: "float64",
  status: "uint8",
  labelled_by: "int32",
  asked: "uint8",
  outside: "uint8",
} as const satisfies Record<string, Kind>;

export type Row = keyof typeof ROWS;
export const ROW_NAMES = Object.keys(ROWS) as Row[];

export interface Packed {
  header: Record<string, unknown>;
  arrays: Record<string, Numbers>;
}

/** Unpack a container of columns: 'HSC1', header length, JSON header, then the arrays. Copies nothing. */
export function unpack(buffer: ArrayBuffer): Packed {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, false) !== 0x48534331) {
    throw new Error("These are not HemoSight columns.");
  }
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, unknown> & {
    count: number;
    columns: { name: string; dtype: string; offset: number }[];
  };
  const start = Math.ceil((8 + length) / 8) * 8;
  const arrays: Record<string, Numbers> = {};
  for (const { name, dtype, offset } of header.columns) {
    const kind = KINDS[dtype as Kind];
    if (!kind) throw new Error(`Column ${name} is of the unknown kind ${dtype}.`);
    arrays[name] = new kind(buffer, start + offset, header.count);
  }
  return { header, arrays };
}

/** The cells of a project, from the service's answer. */
export function decode(buffer: ArrayBuffer, etag: string | null = null): Delivery {
  const { header, arrays } = unpack(buffer);
  const rows = {} as Pick<Columns, Row>;
  for (const name of ROW_NAMES) {
    const given = arrays[name];
    if (!given) throw new Error(`The column ${name} is missing.`);
    (rows as Record<Row, Numbers>)[name] = given;
  }
  return {
    ...rows,
    event: header.event as number,
    taughtUntil: header.taught_until as number,
    count: header.count as number,
    labelSet: header.label_set as string,
    title: (header.title as string) ?? "",
    askedOf: (header.asked_of as string | null) ?? null,
    classes: header.classes as Mark[],
    cases: (header.cases as Columns["cases"]) ?? [],
    noveltyLimit: header.novelty_limit as number,
    full: header.full !== false,
    total: (header.total as number) ?? (header.count as number),
    etag,
  };
}

/** Row of a cell by binary search, or -1. */
export function rowOf(columns: Columns, id: number): number {
  let low = 0;
  let high = columns.count - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = columns.id[middle]!;
    if (found === id) return middle;
    if (found < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Known columns with a delivery laid over them: changed rows replaced, new ones in the order of ids. */
export function merged(known: Columns, fresh: Delivery): Columns {
  if (fresh.full) return fresh;
  let added = 0;
  for (let row = 0; row < fresh.count; row++) if (rowOf(known, fresh.id[row]!) < 0) added++;
  const count = known.count + added;
  const result = {
    ...known,
    event: fresh.event,
    taughtUntil: fresh.taughtUntil,
    title: fresh.title,
    askedOf: fresh.askedOf,
    classes: fresh.classes,
    cases: fresh.cases,
    noveltyLimit: fresh.noveltyLimit,
    count,
  };
  // Where each row of the result comes from: a row of `fresh`, or one of `known` counted below zero.
  const source = new Int32Array(count);
  let a = 0;
  let b = 0;
  for (let row = 0; row < count; row++) {
    const left = a < known.count ? known.id[a]! : Number.POSITIVE_INFINITY;
    const right = b < fresh.count ? fresh.id[b]! : Number.POSITIVE_INFINITY;
    if (right <= left) {
      source[row] = b++;
      if (left === right) a++;
    } else source[row] = -1 - a++;
  }
  for (const name of ROW_NAMES) {
    const column = new KINDS[ROWS[name]](count);
    const old = known[name];
    const now = fresh[name];
    for (let row = 0; row < count; row++) {
      const from = source[row]!;
      column[row] = from >= 0 ? now[from]! : old[-1 - from]!;
    }
    (result as unknown as Record<Row, Numbers>)[name] = column;
  }
  return result;
}

/** The rows of one case that the label set is asked of; those without a case for 0, all for null. */
export function ofCase(columns: Columns, wanted: number | null): Columns {
  const code = wanted || -1;
  const own = (row: number) => columns.asked[row] !== 0 && (wanted === null || columns.case[row] === code);
  let count = 0;
  for (let row = 0; row < columns.count; row++) if (own(row)) count++;
  if (count === columns.count) return columns;
  const rows = new Int32Array(count);
  let at = 0;
  for (let row = 0; row < columns.count; row++) if (own(row)) rows[at++] = row;
  const result = { ...columns, count };
  for (const name of ROW_NAMES) {
    const column = new KINDS[ROWS[name]](count);
    const all = columns[name];
    for (let row = 0; row < count; row++) column[row] = all[rows[row]!]!;
    (result as unknown as Record<Row, Numbers>)[name] = column;
  }
  return result;
}

/** Nothing yet. */
export function noColumns(labelSet: string): Columns {
  const rows = Object.fromEntries(ROW_NAMES.map((name) => [name, new KINDS[ROWS[name]](0)]));
  return {
    ...(rows as unknown as Pick<Columns, Row>),
    event: 0,
    taughtUntil: 0,
    count: 0,
    labelSet,
    title: "",
    askedOf: null,
    classes: [],
    cases: [],
    noveltyLimit: Number.POSITIVE_INFINITY,
  };
}

/** Whether a cell that was read lies outside what the model knows. */
export function isUnusual(columns: Columns, row: number): boolean {
  return columns.status[row] === READ && columns.novelty[row]! > columns.noveltyLimit;
}

/** How sure a cell's reading is, as text; empty where there is none, or where it is held back. */
export function certainty(columns: Columns, row: number): string {
  const probability = columns.probability[row] ?? Number.NaN;
  return Number.isNaN(probability) ? "" : probability.toFixed(2);
}

/** A class's code, {@link UNSURE} for '?', {@link NONE} for none. */
export function codeOf(classes: Mark[], label: string | null): number {
  if (label === null) return NONE;
  if (label === "?") return UNSURE;
  const code = classes.findIndex((mark) => mark.name === label);
  return code < 0 ? NONE : code;
}

/** The inverse of {@link codeOf}. */
export function labelOf(classes: Mark[], code: number): string | null {
  if (code === NONE) return null;
  if (code === UNSURE) return "?";
  return classes[code]?.name ?? null;
}

/** Of what has a letter and a colour and is no type that a laboratory changed. */
export const PLAIN = { counts: "in", parent: null, retired: false, merged_into: null } as const;

/** Classes that a cell can be labelled with: neither retired nor merged into another one. */
export function inUse(classes: readonly Mark[]): Mark[] {
  return classes.filter(({ retired, merged_into }) => !retired && !merged_into);
}

/** Classes with each finer one behind the one it belongs to, else in their order. */
export function inTree(classes: readonly Mark[]): Mark[] {
  const names = new Set(classes.map(({ name }) => name));
  const below = (mark: Mark) => classes.filter(({ parent }) => parent === mark.name);
  const top = classes.filter(({ parent }) => !parent || !names.has(parent));
  return top.flatMap((mark) => [mark, ...below(mark)]);
}

/** Signed cases, whose cells take no label; other questions than the cell type may still be answered. */
export function lockedCases({ cases, labelSet }: Pick<Columns, "cases" | "labelSet">): ReadonlySet<number> {
  return new Set(labelSet === "cell_type" ? cases.filter(({ locked }) => locked).map(({ id }) => id) : []);
}
