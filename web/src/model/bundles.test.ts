import { expect, test } from "vitest";
import type { KnownBundleShown } from "../api/schema";
import { picked, sideBySide } from "./bundles";

const older = {
  id: 1,
  name: "lite0",
  version: "0.3.0",
  identity: "a",
  loaded: false,
  added_at: "2026-03-02T09:00:00Z",
  created: "2026-02-02T09:00:00Z",
  backbone: "tf_efficientnet_lite0",
  notice: "",
  projects: [{ id: 7, name: "Slides" }],
  sources: [{ name: "pbc", title: "Barcelona", licence: "", citation: "", page: "", cells: 6993 }],
  classes: ["blast", "ig"],
  label_sets: ["nucleus_shape"],
  figures: { held_out: { cells: 900, macro_f1: { value: 0.8, low: 0.78, high: 0.82 } } },
  confusion: null,
  calibration: null,
  training: null,
  provenance: {},
  commands: [],
} as KnownBundleShown;
const newer = {
  ...older,
  id: 2,
  version: "0.4.0",
  loaded: true,
  projects: [],
  sources: [
    ...older.sources,
    { name: "jhu", title: "Johns Hopkins", licence: "", citation: "", page: "", cells: 2440 },
  ],
  figures: {
    held_out: {
      cells: 1863,
      split: "by patient",
      macro_f1: { value: 0.875, low: 0.86, high: 0.889 },
      calibration_error: 0.031,
      by_source: { jhu: { macro_f1: { value: 0.78, low: 0.72, high: 0.84 } } },
    },
    left_out: { jhu: { macro_f1: { value: 0.6, low: 0.58, high: 0.62 } } },
  },
  training: [
    { step: 1, loss: 2 },
    { step: 4000, loss: 0.25 },
  ],
  provenance: { trained: "with labels", recipe: { steps: 4000 } },
} as KnownBundleShown;

test("two at most stand side by side, one at least", () => {
  expect(picked([1], 2)).toEqual([1, 2]);
  expect(picked([1, 2], 3)).toEqual([2, 3]);
  expect(picked([1, 2], 1)).toEqual([2]);
  expect(picked([2], 2)).toEqual([2]);
});

test("what one of two does not say is a gap, and what none says is no row", () => {
  const rows = new Map(sideBySide([older, newer]).map(({ name, values }) => [name, values]));
  expect(rows.get("macro-F1, held out")).toEqual(["0.800 [0.780, 0.820]", "0.875 [0.860, 0.889]"]);
  expect(rows.get("macro-F1, Johns Hopkins left out of everything")).toEqual([null, "0.600 [0.580, 0.620]"]);
  expect(rows.get("macro-F1, Johns Hopkins")).toEqual([null, "0.780 [0.720, 0.840]"]);
  expect(rows.get("calibration error, held out")).toEqual([null, "0.031"]);
  expect(rows.has("accuracy, held out")).toBe(false);
  expect(rows.get("laboratories seen")?.[1]).toBe("Barcelona (6,993 cells); Johns Hopkins (2,440 cells)");
  expect(rows.get("training run")).toEqual([null, "with labels; 4,000 steps; loss 0.250 at step 4,000"]);
  expect(rows.get("reads now")).toEqual(["Slides", null]);
});

test("figures come first", () => {
  expect(sideBySide([older])[0]).toEqual({ name: "macro-F1, held out", values: ["0.800 [0.780, 0.820]"] });
});
