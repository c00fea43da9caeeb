// @vitest-environment node
import { expect, test } from "vitest";
import type { CountRow, DifferentialShown } from "../api/schema";
import {
  change,
  changed,
  interval,
  notReviewed,
  panelWords,
  percent,
  representatives,
  reviewedCells,
  strength,
} from "./differential";

const share = (count: number) => ({ count, share: count / 200, low: 0.1, high: 0.2 });
const row = (label: string, before: number, after: number, reviewed: number | null): CountRow => ({
  label,
  title: label,
  before: share(before),
  after: share(after),
  reviewed,
});

const differential: DifferentialShown = {
  label_set: "cell_type",
  total: 200,
  total_before: 200,
  rows: [row("neutrophil", 112, 112, 30), row("monocyte", 17, 12, 2), row("ig", 6, 11, 5)],
  apart: { platelet: { before: 4, after: 5, reviewed: 1 } },
  excluded: { artefact: { before: 0, after: 2, reviewed: 2 } },
  level: "subtype",
  erythroblasts_per_100: 0.5,
  erythroblasts_per_100_before: 0.5,
  unsure: 1,
  unreviewed: 80,
  unusual: 7,
  waiting: 3,
  unreadable: 0,
  reclassified: [{ from: "monocyte", to: "ig", count: 5 }],
  moved_by_model: [{ from: "neutrophil", to: "monocyte", count: 3 }],
  reviewed_until: 31,
  taught_until: 40,
  taught_by_panels: [],
  panel_titles: [],
  bundle: "lite0 0.2.0",
  counting_choices: [],
  drawn_cells_gone: 0,
  cells_since_draw: 0,
  digest: "0011aabb",
};

test("shares have one decimal, intervals say to", () => {
  expect(percent(0.5601)).toBe("56.0%");
  expect(interval({ low: 0.4861, high: 0.6212 })).toBe("48.6 to 62.1");
});

test("a change carries its sign, and nothing where nothing changed", () => {
  expect(differential.rows.map(change)).toEqual(["", "\u22125", "+5"]);
  expect(changed(differential).map((r) => r.label)).toEqual(["monocyte", "ig"]);
});

test("panels that taught are named by their titles, and by their numbers in records that have no more", () => {
  expect(panelWords(differential)).toBe("");
  const one = { ...differential, taught_by_panels: [3], panel_titles: ["Blasts of March"] };
  expect(panelWords(one)).toBe("the panel \u201cBlasts of March\u201d");
  expect(panelWords({ ...one, taught_by_panels: [3, 7], panel_titles: [] })).toBe("the panels 3, 7");
});

test("cells are reviewed or not, and old records do not say", () => {
  expect(differential.rows.map(notReviewed)).toEqual([82, 10, 6]);
  expect(reviewedCells(differential)).toBe(30 + 2 + 5 + 1 + 1 + 2);
  const old = { ...differential, rows: [...differential.rows, row("blast", 1, 1, null)] };
  expect(old.rows.map(notReviewed).at(-1)).toBeNull();
  expect(reviewedCells(old)).toBeNull();
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
  // What was not drawn to be counted stands for no count.
  expect(representatives({ ...cells, outside: [0, 1, 0, 0, 0, 0] }, 2, 1)).toEqual([[10], [14]]);
});
