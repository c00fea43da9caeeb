import { expect, test } from "vitest";
import { attributesOf, calibrationOf, confusionOf, countsOf, efficiencyOf, type Model } from "./facts";

const model: Model = {
  bundle: {
    name: "lite0",
    version: "0.2.0",
    label_sets: { cell_type: { classes: ["blast", "ig"], counts: { blast: 540, ig: 1090 } } },
  },
  classes: {
    cell_type: [
      { name: "ig", title: "Immature granulocyte", key: "I", light: "#000000", dark: "#ffffff" },
      { name: "blast", title: "Blast", key: "X", light: "#000000", dark: "#ffffff" },
    ],
  },
  figures: {
    held_out: {
      cells: 10,
      macro_f1: { value: 0.9, low: 0.8, high: 0.95 },
      classes: ["blast", "ig"],
      confusion: [
        [3, 1],
        [0, 0],
      ],
    },
    attributes: {
      rows: "the authors' test split",
      mean_macro_f1: 0.87,
      cell_size: { cells: 9, macro_f1: { value: 0.81, low: 0.79, high: 0.83 } },
      granule_type: { cells: 9, macro_f1: { value: 0.98, low: 0.97, high: 0.99 } },
    },
  },
};

test("classes are counted in the order of the differential", () => {
  expect(countsOf(model, "cell_type")).toEqual([
    { name: "ig", count: 1090 },
    { name: "blast", count: 540 },
  ]);
  expect(countsOf(model, "nothing")).toEqual([]);
});

test("confusion is shared out over the true class, none where it has no cell", () => {
  expect(confusionOf(model)!.cells).toEqual([
    { truth: "blast", read: "blast", count: 3, share: 0.75 },
    { truth: "blast", read: "ig", count: 1, share: 0.25 },
    { truth: "ig", read: "blast", count: 0, share: 0 },
    { truth: "ig", read: "ig", count: 0, share: 0 },
  ]);
  expect(confusionOf({ bundle: model.bundle })).toBeNull();
});

test("attributes are those with a figure, best first", () => {
  expect(attributesOf(model).map(({ name }) => name)).toEqual(["granule type", "cell size"]);
});

test("what was not measured is empty, empty bins are left out", () => {
  expect(calibrationOf(model)).toEqual([]);
  expect(efficiencyOf({ ...model, label_efficiency: null })).toEqual([]);
  const bins = [
    { low: 0.9, high: 1, accuracy: 0.97, count: 40 },
    { low: 0.5, high: 0.6, accuracy: Number.NaN, count: 0 },
  ];
  expect(calibrationOf({ ...model, calibration: { bins } })).toEqual([{ confidence: 0.95, accuracy: 0.97, cells: 40 }]);
});
