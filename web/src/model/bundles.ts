/** Bundles side by side: what each says of itself, row by row. */

import { worded } from "../api/queries";
import type { KnownBundleShown as Known } from "../api/schema";
import { when } from "../ui/time";
import type { HeldOut, Interval } from "./facts";
import { laboratoryOf, plain, trainingOf } from "./facts";

/** A row of the comparison: its name, and what each bundle says; null where one says nothing. */
export interface Row {
  name: string;
  values: (string | null)[];
}

/** Most that stand side by side. */
const BESIDE = 2;

/** Choose a bundle or put it back; where two are chosen already, it takes the place of the one that was chosen first. */
export function picked(chosen: number[], id: number): number[] {
  if (chosen.includes(id)) return chosen.length > 1 ? chosen.filter((one) => one !== id) : chosen;
  return [...chosen, id].slice(-BESIDE);
}

interface Measured {
  macro_f1?: Interval;
  calibration_error?: number;
}

type Figures = {
  held_out?: HeldOut & { by_source?: Record<string, Measured> };
  left_out?: Record<string, Measured>;
};

const count = (n: number): string => n.toLocaleString("en");
const share = (value: number): string => value.toFixed(3);
const interval = (one?: Interval): string | null =>
  one ? `${share(one.value)} [${share(one.low)}, ${share(one.high)}]` : null;

/** How the encoder was trained, in as many words as its run has. */
function run({ provenance, training }: Known): string | null {
  const known = provenance as { trained?: string; recipe?: { steps?: number } };
  const last = training?.at(-1);
  const said = [
    trainingOf(provenance) ?? (known.trained && plain(known.trained)),
    known.recipe?.steps && `${count(known.recipe.steps)} steps`,
    last && `loss ${share(last.loss)} at step ${count(last.step)}`,
  ].filter(Boolean);
  return said.length ? said.join("; ") : null;
}

/** What one bundle says, by the name of the row; held-out figures first. */
function facts(one: Known): Map<string, string | null> {
  const { held_out: held, left_out: left } = one.figures as Figures;
  const laboratory = (name: string) => laboratoryOf(one.sources.find((source) => source.name === name)?.title || name);
  return new Map<string, string | null>([
    ["macro-F1, held out", interval(held?.macro_f1)],
    ["accuracy, held out", interval(held?.accuracy)],
    ["calibration error, held out", held?.calibration_error === undefined ? null : share(held.calibration_error)],
    ["held-out cells", held ? `${count(held.cells)}${held.split ? `, split ${held.split}` : ""}` : null],
    ...Object.entries(held?.by_source ?? {}).map(([name, its]): [string, string | null] => [
      `macro-F1, ${laboratory(name)}`,
      interval(its.macro_f1),
    ]),
    ...Object.entries(left ?? {}).map(([name, its]): [string, string | null] => [
      `macro-F1, ${laboratory(name)} left out of everything`,
      interval(its.macro_f1),
    ]),
    [
      "laboratories seen",
      one.sources
        .map(({ title, name, cells }) => `${title || name}${cells ? ` (${count(cells)} cells)` : ""}`)
        .join("; "),
    ],
    ["types it reads", one.classes.map(plain).join(", ")],
    ["other label sets", one.label_sets.map(worded).join(", ")],
    ["network", plain(one.backbone)],
    ["training run", run(one)],
    ["made", one.created && when(one.created)],
    ["came here", when(one.added_at)],
    ["reads now", one.projects.map(({ name }) => name).join(", ")],
  ]);
}

/** The chosen bundles, row by row; rows of which none says anything are left out. */
export function sideBySide(chosen: Known[]): Row[] {
  const columns = chosen.map(facts);
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  // A figure that only the second one has stands beside its kind, before what is told in words.
  const place = (name: string) => (name.startsWith("macro-F1") ? 0 : /held.out/.test(name) ? 1 : 2);
  return [...names]
    .sort((a, b) => place(a) - place(b))
    .map((name) => ({ name, values: columns.map((column) => column.get(name) || null) }))
    .filter(({ values }) => values.some(Boolean));
}
