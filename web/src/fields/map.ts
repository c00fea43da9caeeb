/** Where the fields of a case lie, and in which of them counting is fair. */

import type { FieldShown } from "../api/schema";

/** A field on a map; left, top and size are shares of the map's. */
export interface Spot {
  field: FieldShown;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Fields of one film at their places, or in rows as they came where nothing says where they lie. */
export interface FilmMap {
  placed: boolean;
  /** Width over height. */
  aspect: number;
  spots: Spot[];
}

const GAP = 0.08;

/** A map for each film of which two fields at least have a place, and one of all others. */
export function mapsOf(fields: FieldShown[]): FilmMap[] {
  const films = new Map<string | null, FieldShown[]>();
  for (const field of fields) films.set(field.film, [...(films.get(field.film) ?? []), field]);
  const placed = [...films].filter(([film, own]) => film !== null && own.length > 1).map(([, own]) => own);
  const on = new Set(placed.flat());
  const loose = fields.filter((field) => !on.has(field));
  return [
    ...placed.map((own) => drawn(own, true, placeOn)),
    ...(loose.length ? [drawn(loose, false, inRows(loose))] : []),
  ];
}

type Box = [x: number, y: number, width: number, height: number];

const placeOn = ({ x, y, width, height }: FieldShown): Box => [x!, y!, width, height];

/** Rows from left to right, as wide as they are high all together. */
function inRows(fields: FieldShown[]): (field: FieldShown, at: number) => Box {
  const columns = Math.min(fields.length, Math.max(8, Math.ceil(Math.sqrt(2 * fields.length))));
  return (_, at) => [(at % columns) * (4 + 4 * GAP), Math.floor(at / columns) * (3 + 4 * GAP), 4, 3];
}

function drawn(fields: FieldShown[], placed: boolean, boxOf: (field: FieldShown, at: number) => Box): FilmMap {
  const boxes = fields.map(boxOf);
  const x0 = Math.min(...boxes.map(([x]) => x));
  const y0 = Math.min(...boxes.map(([, y]) => y));
  const across = Math.max(...boxes.map(([x, , width]) => x + width)) - x0;
  const down = Math.max(...boxes.map(([, y, , height]) => y + height)) - y0;
  const spots = boxes.map(([x, y, width, height], at) => ({
    field: fields[at]!,
    left: (x - x0) / across,
    top: (y - y0) / down,
    width: width / across,
    height: height / down,
  }));
  return { placed, aspect: across / down, spots };
}

export type Fairness = "fair" | "thick" | "thin" | "blurred";

const WORDS: [Fairness, string][] = [
  ["fair", "fair to count in"],
  ["thick", "too thick"],
  ["thin", "too thin"],
  ["blurred", "out of focus"],
];

/** What is said of a field on the map: the first of what speaks against it. */
export function fairnessOf({ reasons }: Pick<FieldShown, "reasons">): Fairness {
  return WORDS.find(([kind]) => reasons.includes(kind))?.[0] ?? "fair";
}

/** What the map's colours mean, with how many fields and cells there are of each; what is not there is left out. */
export function legendOf(fields: FieldShown[]): { kind: Fairness; words: string; fields: number; cells: number }[] {
  return WORDS.map(([kind, words]) => {
    const own = fields.filter((field) => fairnessOf(field) === kind);
    return { kind, words, fields: own.length, cells: own.reduce((sum, { cells }) => sum + cells, 0) };
  }).filter(({ fields: count }) => count);
}
