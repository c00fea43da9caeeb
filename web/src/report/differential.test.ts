import { expect, test } from "vitest";
import {
  blocking,
  bundleName,
  change,
  changed,
  type Differential,
  type DifferentialRow,
  interval,
  percent,
  personName,
  representatives,
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
  apart: { platelet: 4 },
  erythroblasts_per_100: 0.5,
  unsure: 1,
  unreviewed: 80,
  unread: 3,
  reclassified: [{ from: "monocyte", to: "ig", count: 5 }],
  revision: 31,
  bundle: { name: "lite0", version: "0.2.0" },
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
  expect(blocking({ ...differential, unread: 0, unsure: 0 })).toEqual([]);
});

test("names, however they are written", () => {
  expect(bundleName({ name: "lite0", version: "0.2.0" })).toBe("lite0 0.2.0");
  expect(bundleName("lite0 0.2.0")).toBe("lite0 0.2.0");
  expect(personName({ display: "A. Adams", name: "adams" })).toBe("A. Adams");
  expect(personName("adams")).toBe("adams");
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
