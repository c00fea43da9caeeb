/**
 * The cells of a project as columns: one typed array a column, one row a cell, in the order of ids.
 *
 * A hundred thousand cells are five megabytes here and one request; as objects they would be neither.
 */

import type { Mark } from "../api/types";

/** No label, no prediction. */
export const NONE = 255;
/** The label of a cell that a person could not decide on. */
export const UNSURE = 254;

export const WAITING = 0;
export const READ = 1;
export const UNREADABLE = 2;

export interface Columns {
  /** The last label that the readings had learnt. */
  revision: number;
  count: number;
  labelSet: string;
  classes: Mark[];
  cases: { id: number; key: string }[];
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
    revision: header.revision as number,
    count: header.count as number,
    labelSet: header.label_set as string,
    classes: header.classes as Mark[],
    cases: (header.cases as Columns["cases"]) ?? [],
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
  const result = { ...known, revision: fresh.revision, classes: fresh.classes, cases: fresh.cases, count };
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

/** Nothing yet. */
export function noColumns(labelSet: string): Columns {
  const rows = Object.fromEntries(ROW_NAMES.map((name) => [name, new KINDS[ROWS[name]](0)]));
  return {
    ...(rows as unknown as Pick<Columns, Row>),
    revision: 0,
    count: 0,
    labelSet,
    classes: [],
    cases: [],
  };
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
