// @vitest-environment node
import { expect, test } from "vitest";
import type { ModelShown } from "../api/schema";
import { PLAIN } from "../columns/columns";
import { attributesOf, calibrationOf, confusionOf, countsOf, inOrder, leftOutOf, readoutOf, trainingOf } from "./facts";

const marks = ["ig", "blast"].map((name) => ({
  name,
  title: name,
  key: name[0]!,
  light: "#000000",
  dark: "#ffffff",
  ...PLAIN,
}));
const model = {
  label_sets: [{ name: "cell_type", title: "Cell type", classes: ["blast", "ig"], counts: { blast: 540, ig: 1090 } }],
  figures: {
    attributes: {
      rows: "the authors' test split",
      mean_macro_f1: 0.87,
      cell_size: { cells: 9, macro_f1: { value: 0.81, low: 0.79, high: 0.83 } },
      granule_type: { cells: 9, macro_f1: { value: 0.98, low: 0.97, high: 0.99 } },
    },
  },
  calibration: { error: 0.02, bins: [] },
} as unknown as ModelShown;

test("classes are counted in the order of the differential; a stranger comes last", () => {
  expect(countsOf(model, "cell_type", marks)).toEqual([
    { name: "ig", count: 1090 },
    { name: "blast", count: 540 },
  ]);
  expect(countsOf(model, "nothing", marks)).toEqual([]);
  expect(inOrder(["mast cell", "blast", "ig"], marks)).toEqual(["ig", "blast", "mast cell"]);
});

test("confusion is shared out over the true class, none where it has no cell", () => {
  const counts = [
    [3, 1],
    [0, 0],
  ];
  expect(confusionOf({ classes: ["blast", "ig"], counts, precision: [], recall: [], f1: [] })).toEqual([
    { truth: "blast", read: "blast", count: 3, share: 0.75 },
    { truth: "blast", read: "ig", count: 1, share: 0.25 },
    { truth: "ig", read: "blast", count: 0, share: 0 },
    { truth: "ig", read: "ig", count: 0, share: 0 },
  ]);
});

test("attributes are those with a figure, best first", () => {
  expect(attributesOf(model).map(({ name }) => name)).toEqual(["granule type", "cell size"]);
});

test("calibration is drawn where its bins were kept", () => {
  expect(calibrationOf(model)).toEqual([]);
  expect(calibrationOf({ ...model, calibration: null })).toEqual([]);
  const bins = [{ confidence: 0.95, accuracy: 0.97, cells: 40 }];
  expect(calibrationOf({ ...model, calibration: { error: 0.02, bins } })).toEqual(bins);
});

test("how training ended is told of a run that says so", () => {
  const run = {
    data: { train: 6833, validation: 360 },
    results: { epoch: 14, step: 994, val_loss: 0.41023, knn: 0.86944 },
  };
  expect(trainingOf(run)).toBe(
    "Its encoder saw 6,833 crops, no label, in 14 epochs of training (994 steps). On 360 crops kept aside the loss was " +
      "0.410 at the end, and nearest neighbours named the type of 86.9% of cells.",
  );
  expect(trainingOf({ ...run, results: { epoch: 14, step: 994 } })).toBe(
    "Its encoder saw 6,833 crops, no label, in 14 epochs of training (994 steps).",
  );
  expect(trainingOf({ weights: "imagenet", trained: "not on blood cells" })).toBeNull();
});

test("says what is read of the encoder, where that is more than its last map", () => {
  expect(readoutOf({ readout: { levels: "all", cells: 1400 } }, 1216)).toBe(
    "It is read at every level of the network, in 1,216 numbers: how much there is of something, and how unevenly it " +
      "lies. They were brought to one scale on 1,400 crops without a label.",
  );
  expect(readoutOf({ turns: 4 }, 1280)).toBeNull();
});

test("a laboratory that was left out is called by its title, and has blasts only where there were any", () => {
  const share = { value: 0.5, low: 0.4, high: 0.6 };
  const blasts = { found: share, false: share, patients: 70, patients_found: 62 };
  const left = {
    here: { cells: 30, patients: 3, accuracy: share, blasts },
    else_where: { cells: 9, patients: 2, accuracy: share },
  };
  const source = { name: "here", title: "Here Hospital", licence: "", citation: "", page: "", cells: 1 };
  const bundle = { ...model.bundle, sources: [source] };
  const found = leftOutOf({ ...model, bundle, figures: { left_out: left } });
  expect(found.map(({ name }) => name)).toEqual(["Here Hospital", "else where"]);
  expect(found.map(({ figures }) => figures.blasts?.patients_found)).toEqual([62, undefined]);
  expect(leftOutOf({ ...model, bundle, figures: {} })).toEqual([]);
});
