import { expect, test } from "vitest";
import {
  blocking,
  change,
  changed,
  type Differential,
  type DifferentialRow,
  interval,
  percent,
  representatives,
  type Signature,
  standing,
  strength,
} from "./differential";

const share = (count: number) => ({ count, share: count / 200, low: 0.1, high: 0.2 });
const row = (label: string, before: number, after: number): DifferentialRow => ({
  label,
  title: label,
  before: share(before),
  after: share(after),
});

const differential: Differential = {
  total: 200,
  rows: [row("neutrophil", 112, 112), row("monocyte", 17, 12), row("ig", 6, 11)],
  apart: { platelet: { before: 4, after: 5 } },
  erythroblasts_per_100: 0.5,
  unsure: 1,
  unreviewed: 80,
  waiting: 3,
  unreadable: 0,
  reclassified: [{ from: "monocyte", to: "ig", count: 5 }],
  revision: 31,
  bundle: "lite0 0.2.0",
};

test("shares have one decimal, intervals say to", () => {
  expect(percent(0.5601)).toBe("56.0%");
  expect(interval({ low: 0.4861, high: 0.6212 })).toBe("48.6 to 62.1");
});

test("a change carries its sign, and nothing where nothing changed", () => {
  expect(differential.rows.map(change)).toEqual(["", "\u22125", "+5"]);
  expect(changed(differential).map((r) => r.label)).toEqual(["monocyte", "ig"]);
});

test("unread and unsure cells block a signature; cells that nobody looked at do not", () => {
  expect(blocking(differential)).toEqual(["3 cells are not read yet", "1 cell is marked unsure"]);
  expect(blocking({ ...differential, waiting: 0, unsure: 0 })).toEqual([]);
});

test("the newest signature of these cells in that role stands", () => {
  const sign = (id: number, ofCase: number | null, role: Signature["role"]): Signature => ({
    id,
    case: ofCase,
    user: 1,
    name: "A. Adams",
    at: "2026-11-24T12:00:00Z",
    role,
    note: "",
    revision: id,
    current: true,
    differential,
  });
  const all = [sign(1, null, "first"), sign(2, 7, "first"), sign(3, null, "first"), sign(4, 7, "second")];
  expect(standing(all, null, "first")?.id).toBe(3);
  expect(standing(all, 7, "second")?.id).toBe(4);
  expect(standing(all, null, "second")).toBeUndefined();
});

test("words of Landis and Koch", () => {
  expect([-0.1, 0.1, 0.3, 0.5, 0.7, 0.9].map(strength)).toEqual([
    "poor",
    "slight",
    "fair",
    "moderate",
    "substantial",
    "almost perfect",
  ]);
});

test("representatives: a person's label counts before certainty, and over what was read", () => {
  const cells = {
    id: [10, 11, 12, 13, 14, 15],
    predicted: [0, 0, 0, 1, 1, 255],
    label: [255, 255, 1, 254, 1, 255],
    probability: [0.6, 0.9, 0.99, 0.99, 0.7, 0],
    case: [1, 1, 1, 1, 2, 1],
  };
  expect(representatives(cells, 2)).toEqual([
    [11, 10],
    [14, 12],
  ]);
  expect(representatives(cells, 2, 1)).toEqual([[11], [14]]);
  expect(representatives(cells, 2, 6, 1)).toEqual([[11, 10], [12]]);
});
