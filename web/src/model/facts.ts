/** What the model says about itself, in the shapes that the charts take. */

import type { CalibrationBin, Confusion, ClassShown as Mark, ModelShown as Model } from "../api/schema";

/** A figure with its 95% interval. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** A bundle's own figures, which the description leaves open: what was measured differs from bundle to bundle. */
export interface HeldOut {
  cells: number;
  split?: string;
  macro_f1: Interval;
  accuracy?: Interval;
  calibration_error?: number;
}

/** The figures on held-out cells, where the bundle has them. */
export function heldOutOf(model: Model): HeldOut | null {
  return (model.figures.held_out as HeldOut | undefined) ?? null;
}

/** How a laboratory was read that took part in nothing, cells by patient; blasts where it has any. */
export interface LeftOut {
  cells: number;
  patients: number;
  accuracy: Interval;
  blasts?: { found: Interval; false: Interval; patients: number; patients_found: number } | null;
}

/** Whose cells a data set holds: what its title ends with, as the service has it (bundle_words.py). */
export function laboratoryOf(title: string): string {
  return title.split(", ").at(-1)!.split(" (")[0]!.trim() || title;
}

/** The laboratories that were left out of everything in turn, by their names, where the bundle has such figures. */
export function leftOutOf(model: Model): { name: string; figures: LeftOut }[] {
  const measured = (model.figures.left_out ?? {}) as Record<string, LeftOut>;
  const titles = new Map(model.bundle.sources.map(({ name, title }) => [name, laboratoryOf(title)]));
  return Object.entries(measured).map(([name, figures]) => ({ name: titles.get(name) ?? plain(name), figures }));
}

/** Cells of each class in the support set, in the order of `marks`: the differential's. */
export function countsOf(model: Model, labelSet: string, marks: Mark[]): { name: string; count: number }[] {
  const set = model.label_sets.find(({ name }) => name === labelSet);
  if (!set) return [];
  return inOrder(Object.keys(set.counts), marks).map((name) => ({ name, count: set.counts[name]! }));
}

/** Names as marks list them; those without a mark last. */
export function inOrder(names: string[], marks: Mark[]): string[] {
  const known = marks.map(({ name }) => name).filter((name) => names.includes(name));
  return [...known, ...names.filter((name) => !known.includes(name))];
}

export interface ConfusionCell {
  truth: string;
  read: string;
  count: number;
  share: number;
}

/** The confusion matrix as cells, shares being of the cells of the true class. */
export function confusionOf({ classes, counts }: Confusion): ConfusionCell[] {
  return counts.flatMap((row, t) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, r) => ({ truth: classes[t]!, read: classes[r]!, count, share: total ? count / total : 0 }));
  });
}

/** How often the model is right when it says how sure it is; empty where only the error was kept. */
export function calibrationOf(model: Model): CalibrationBin[] {
  return model.calibration?.bins ?? [];
}

/** Macro-F1 of every attribute that was measured. */
export function attributesOf(model: Model): ({ name: string } & Interval)[] {
  return Object.entries(model.figures.attributes ?? {})
    .filter((entry): entry is [string, { macro_f1: Interval }] => {
      const figure = entry[1] as { macro_f1?: Interval } | null;
      return typeof figure === "object" && typeof figure?.macro_f1?.value === "number";
    })
    .map(([name, figure]) => ({ name: plain(name), ...figure.macro_f1 }))
    .sort((a, b) => b.value - a.value);
}

/** A name as words: "nucleus_shape" is "nucleus shape". */
export function plain(name: string): string {
  return name.replaceAll("_", " ");
}

interface Run {
  data?: { train?: number; validation?: number };
  results?: { epoch?: number; step?: number; val_loss?: number; knn?: number };
}

/** How the encoder's training ended, as far as its run says; null of an encoder that was taken as it came. */
export function trainingOf(provenance: Record<string, unknown>): string | null {
  const { data, results } = provenance as Run;
  if (!data?.train || !results?.epoch || !results.step) return null;
  const count = (n: number) => n.toLocaleString("en");
  const watched = data.validation ? `On ${count(data.validation)} crops kept aside` : "On crops kept aside";
  const ended = [
    results.val_loss === undefined ? "" : `the loss was ${results.val_loss.toFixed(3)} at the end`,
    results.knn === undefined ? "" : `nearest neighbours named the type of ${(100 * results.knn).toFixed(1)}% of cells`,
  ].filter(Boolean);
  return [
    `Its encoder saw ${count(data.train)} crops, no label, in ${count(results.epoch)} epochs of training `,
    `(${count(results.step)} steps).`,
    ended.length ? ` ${watched} ${ended.join(", and ")}.` : "",
  ].join("");
}

/** What is read of the encoder, where that is more than the average of its last feature map; null otherwise. */
export function readoutOf(provenance: Record<string, unknown>, dimensions: number): string | null {
  const { readout } = provenance as { readout?: { cells?: number } };
  if (!readout?.cells) return null;
  const count = (n: number) => n.toLocaleString("en");
  return (
    `It is read at every level of the network, in ${count(dimensions)} numbers: how much there is of something, and how ` +
    `unevenly it lies. They were brought to one scale on ${count(readout.cells)} crops without a label.`
  );
}
