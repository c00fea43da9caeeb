/** What the model says about itself, in the shapes that the charts take. */

import type { Mark } from "../api/types";

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Source {
  name: string;
  title: string;
  licence?: string;
  citation?: string;
  page?: string;
  cells?: number;
}

export interface HeldOut {
  cells: number;
  split?: string;
  macro_f1: Interval;
  accuracy?: Interval;
  calibration_error?: number;
  classes: string[];
  precision?: number[];
  recall?: number[];
  f1?: number[];
  confusion?: number[][];
}

export interface Bin {
  confidence: number;
  accuracy: number;
  cells: number;
}

export interface EfficiencyPoint {
  labels: number;
  macro_f1: number;
  low?: number;
  high?: number;
}

export interface Model {
  bundle: {
    name: string;
    version: string;
    created?: string;
    notice?: string;
    backbone?: string;
    sha256?: string;
    space?: string;
    sources?: Source[];
    commands?: string[];
    label_sets?: Record<string, { classes: string[]; counts: Record<string, number>; classifier?: string }>;
    encoder_provenance?: Record<string, unknown>;
    preprocessing?: Record<string, unknown>;
  };
  figures?: { held_out?: HeldOut; attributes?: Record<string, unknown>; scanner_control?: Record<string, unknown> };
  confusion?: unknown;
  calibration?: unknown;
  label_efficiency?: unknown;
  training?: { step: number; loss: number }[] | null;
  classes?: Mark[] | Record<string, Mark[]>;
  limits?: string[];
}

/** Marks of the cell types. */
export function typesOf(model: Model): Mark[] {
  const { classes } = model;
  if (!classes) return [];
  return Array.isArray(classes) ? classes : (classes.cell_type ?? []);
}

/** Cells of each class in the support set, most first where nothing else orders them. */
export function countsOf(model: Model, labelSet: string): { name: string; count: number }[] {
  const set = model.bundle.label_sets?.[labelSet];
  if (!set) return [];
  const types = typesOf(model).map(({ name }) => name);
  const known = labelSet === "cell_type" && types.length ? types : set.classes;
  return known.filter((name) => name in set.counts).map((name) => ({ name, count: set.counts[name]! }));
}

export interface ConfusionCell {
  truth: string;
  read: string;
  count: number;
  share: number;
}

/** The confusion matrix as cells, shares being of the cells of the true class. */
export function confusionOf(model: Model): { classes: string[]; cells: ConfusionCell[] } | null {
  const given = model.confusion as { classes?: string[]; matrix?: number[][] } | number[][] | null | undefined;
  const held = model.figures?.held_out;
  const matrix = Array.isArray(given) ? given : (given?.matrix ?? held?.confusion);
  const classes = (Array.isArray(given) ? undefined : given?.classes) ?? held?.classes;
  if (!matrix || !classes) return null;
  const cells = matrix.flatMap((row, t) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, r) => ({ truth: classes[t]!, read: classes[r]!, count, share: total ? count / total : 0 }));
  });
  return { classes, cells };
}

/** How often the model is right when it says how sure it is; empty where that was not measured. */
export function calibrationOf(model: Model): Bin[] {
  const given = model.calibration as { bins?: unknown[] } | unknown[] | null | undefined;
  const bins = Array.isArray(given) ? given : (given?.bins ?? []);
  return (bins as Record<string, number>[])
    .map((bin) => ({
      confidence: bin.confidence ?? ((bin.low ?? 0) + (bin.high ?? 1)) / 2,
      accuracy: bin.accuracy ?? Number.NaN,
      cells: bin.cells ?? bin.count ?? bin.n ?? 0,
    }))
    .filter((bin) => bin.cells > 0 && Number.isFinite(bin.accuracy));
}

/** Macro-F1 by number of labels; empty where that was not measured. */
export function efficiencyOf(model: Model): EfficiencyPoint[] {
  const given = model.label_efficiency as { points?: unknown[]; curve?: unknown[] } | unknown[] | null | undefined;
  const points = Array.isArray(given) ? given : (given?.points ?? given?.curve ?? []);
  return (points as EfficiencyPoint[])
    .filter(({ labels, macro_f1 }) => labels > 0 && Number.isFinite(macro_f1))
    .sort((a, b) => a.labels - b.labels);
}

/** Macro-F1 of every attribute that was measured. */
export function attributesOf(model: Model): ({ name: string } & Interval)[] {
  return Object.entries(model.figures?.attributes ?? {})
    .filter((entry): entry is [string, { macro_f1: Interval }] => {
      const told = entry[1] as { macro_f1?: Interval } | null;
      return typeof told === "object" && typeof told?.macro_f1?.value === "number";
    })
    .map(([name, told]) => ({ name: plain(name), ...told.macro_f1 }))
    .sort((a, b) => b.value - a.value);
}

/** A name as words: "nucleus_shape" is "nucleus shape". */
export function plain(name: string): string {
  return name.replaceAll("_", " ");
}
