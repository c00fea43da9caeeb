/** What the map is coloured by: every cell in a group, every group with a title, a letter and a colour for each theme. */

import type { ClassShown as Mark } from "../api/schema";
import { type Columns, NONE, PLAIN, READ, UNSURE } from "../columns/columns";
import { GROUPS } from "./renderer";

export interface Group {
  title: string;
  letter: string;
  light: string;
  dark: string;
  count: number;
  /** Drawn thin: what the scheme has nothing to say about. */
  faint?: boolean;
}

export interface Grouping {
  groups: Group[];
  /** Each cell's group. */
  of: Uint8Array;
}

export type Scheme = "predicted" | "label" | "confidence" | "novelty" | "source" | `set:${string}`;

const GREY = { light: "#868c94", dark: "#7a818a" };
/** Orange to indigo: told apart by everyone, and neither end looks like a warning or a success. */
const STEPS = [
  { light: "#a63c06", dark: "#ff9b54" },
  { light: "#d9822b", dark: "#d6934f" },
  { light: "#8d93a8", dark: "#8b93a5" },
  { light: "#6f8bf5", dark: "#6f8bf5" },
  { light: "#3b5bdb", dark: "#a6b8fb" },
];
const CONFIDENCE = [0.5, 0.7, 0.9, 0.99];
const NOVELTY = [0.5, 0.75, 1, 1.5];
/** Beyond the last group: a cell without a place on the map. */
const NOWHERE = GROUPS;

/** A group for each class, then one for what is unsure and one for what has none. */
export function byClass(
  codes: ArrayLike<number>,
  classes: Mark[],
  placed: (row: number) => boolean,
  none: string,
): Grouping {
  const shown = classes.slice(0, GROUPS - 2);
  const groups: Group[] = [
    ...shown.map(({ title, key, light, dark }) => ({ title, letter: key, light, dark, count: 0 })),
    { title: "Unsure", letter: "?", ...GREY, count: 0 },
    { title: none, letter: "·", ...GREY, count: 0, faint: true },
  ];
  const of = new Uint8Array(codes.length);
  for (let row = 0; row < of.length; row++) {
    const code = codes[row]!;
    const group = !placed(row)
      ? NOWHERE
      : code === UNSURE
        ? shown.length
        : code === NONE || code >= shown.length
          ? shown.length + 1
          : code;
    of[row] = group;
    if (group < groups.length) groups[group]!.count++;
  }
  return { groups, of };
}

/**
 * A group for each step of a measure; `bounds` rise and are one fewer than the titles. Cells of which the measure is not
 * given (probabilities of a case that is held back) are one more, where there are any.
 */
export function bySteps(
  values: ArrayLike<number>,
  bounds: number[],
  titles: string[],
  colours: { light: string; dark: string }[],
  placed: (row: number) => boolean,
): Grouping {
  const groups: Group[] = titles.map((title, step) => ({
    title,
    letter: String(step + 1),
    ...colours[step]!,
    count: 0,
  }));
  const none: Group = { title: "held back", letter: "·", ...GREY, count: 0, faint: true };
  const of = new Uint8Array(values.length);
  for (let row = 0; row < of.length; row++) {
    const value = values[row]!;
    let step = Number.isNaN(value) ? groups.length : 0;
    while (step < bounds.length && value >= bounds[step]!) step++;
    of[row] = placed(row) ? step : NOWHERE;
    if (placed(row)) (groups[step] ?? none).count++;
  }
  if (none.count) groups.push(none);
  return { groups, of };
}

/** The cells of a project in the groups of a scheme; `attribute` are the columns of another label set. */
export function groupingOf(scheme: Scheme, columns: Columns, attribute: Columns | null = null): Grouping {
  const placed = (row: number) => columns.status[row] === READ;
  if (scheme === "label") return byClass(columns.label, columns.classes, placed, "No label yet");
  if (scheme === "confidence") {
    const titles = ["below 50%", "50 to 70%", "70 to 90%", "90 to 99%", "99% and more"];
    return bySteps(columns.probability, CONFIDENCE, titles, STEPS, placed);
  }
  if (scheme === "novelty") {
    const titles = ["well known", "known", "at the edge", "unusual", "very unusual"];
    return bySteps(columns.novelty, NOVELTY, titles, [...STEPS].reverse(), placed);
  }
  if (scheme === "source") {
    const cases = columns.cases.slice(0, GROUPS - 2);
    const place = new Map(cases.map(({ id }, index) => [id, index]));
    const codes = Array.from(columns.case, (id) => place.get(id) ?? NONE);
    const marks = cases.map(({ key }, index) => ({
      name: key,
      title: key,
      key: letterOf(index),
      ...STEPS[index % 5]!,
      ...PLAIN,
    }));
    return byClass(codes, marks, placed, "No case");
  }
  if (scheme.startsWith("set:") && attribute) {
    const known = new Map<number, number>();
    for (let row = 0; row < attribute.count; row++) known.set(attribute.id[row]!, attribute.predicted[row]!);
    const codes = Array.from(columns.id, (id) => known.get(id) ?? NONE);
    return byClass(codes, attribute.classes, placed, "Not read by it");
  }
  return byClass(columns.predicted, columns.classes, placed, "Not read");
}

/** A, B ... Z, then numbers. */
export function letterOf(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1);
}

/** Red, green, blue (0 to 1) of "#rrggbb". */
export function rgb(hex: string): [number, number, number] {
  const number = Number.parseInt(hex.slice(1), 16);
  return [((number >> 16) & 255) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}

/** What the renderer draws groups with: hidden ones not at all. */
export function paletteOf(groups: Group[], dark: boolean, hidden: ReadonlySet<number>, opacity: number): Float32Array {
  const palette = new Float32Array(4 * GROUPS);
  groups.forEach((group, index) => {
    const strength = hidden.has(index) ? 0 : group.faint ? opacity * 0.5 : opacity;
    palette.set([...rgb(dark ? group.dark : group.light), strength], 4 * index);
  });
  return palette;
}

const SAMPLE = 1500;

/** Where to write each group's letter: the middle of its points, by the median of a sample, if it has any to speak of. */
export function middles(
  { groups, of }: Grouping,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): ({ x: number; y: number } | null)[] {
  const xs: number[][] = groups.map(() => []);
  const ys: number[][] = groups.map(() => []);
  const stride = Math.max(1, Math.floor(of.length / (SAMPLE * Math.max(1, groups.length))));
  for (let row = 0; row < of.length; row += stride) {
    const group = of[row]!;
    if (group >= groups.length || !(x[row]! - x[row]! === 0)) continue;
    xs[group]!.push(x[row]!);
    ys[group]!.push(y[row]!);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return groups.map((group, index) =>
    group.faint || xs[index]!.length === 0 ? null : { x: median(xs[index]!), y: median(ys[index]!) },
  );
}
