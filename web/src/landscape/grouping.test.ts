// @vitest-environment node
import { expect, test } from "vitest";
import { NONE, UNREADABLE, UNSURE } from "../columns/columns";
import { columnsOf, MARKS } from "../columns/made";
import { groupingOf, middles, paletteOf, rgb } from "./grouping";

const columns = columnsOf([
  { id: 1, predicted: 0, label: NONE, probability: 0.995, novelty: 0.2, case: 7 },
  { id: 2, predicted: 1, label: UNSURE, probability: 0.4, novelty: 1.2, case: 8 },
  { id: 3, predicted: 1, label: 2, probability: 0.92, novelty: 0.8 },
  { id: 4, predicted: NONE, status: UNREADABLE },
]);
columns.cases = [
  { id: 7, key: "24-1187" },
  { id: 8, key: "24-1190" },
];

const groupsOf = (scheme: Parameters<typeof groupingOf>[0]) => {
  const { groups, of } = groupingOf(scheme, columns);
  return [...of].map((group) => groups[group]?.title ?? null);
};

test("what was read, and what a person said", () => {
  expect(groupsOf("predicted")).toEqual(["Neutrophil", "Lymphocyte", "Lymphocyte", null]);
  expect(groupsOf("label")).toEqual(["No label yet", "Unsure", "Monocyte", null]);
});

test("steps of certainty and of novelty", () => {
  expect(groupsOf("confidence")).toEqual(["99% and more", "below 50%", "90 to 99%", null]);
  expect(groupsOf("novelty")).toEqual(["well known", "unusual", "at the edge", null]);
});

test("cells whose certainty is held back are a group of their own, and unsure of nothing", () => {
  const some = columnsOf(
    [{ probability: 0.4 }, { probability: Number.NaN }, { probability: 0.95 }].map((cell, at) => ({
      id: at + 1,
      predicted: 0,
      ...cell,
    })),
  );
  const { groups, of } = groupingOf("confidence", some);
  expect([...of].map((group) => groups[group]?.title)).toEqual(["below 50%", "held back", "90 to 99%"]);
  expect(groups.at(-1)).toMatchObject({ count: 1, faint: true });
});

test("where cells come from", () => {
  expect(groupsOf("source")).toEqual(["24-1187", "24-1190", "No case", null]);
});

test("another label set colours the same cells, whatever their order and number", () => {
  const attribute = columnsOf([
    { id: 3, predicted: 0 },
    { id: 1, predicted: 1 },
  ]);
  const { groups, of } = groupingOf("set:nucleus_shape", columns, attribute);
  expect([...of].map((group) => groups[group]?.title ?? null)).toEqual([
    "Lymphocyte",
    "Not read by it",
    "Neutrophil",
    null,
  ]);
});

test("groups count their cells; every group has a letter of its own", () => {
  for (const scheme of ["predicted", "label", "confidence", "novelty", "source"] as const) {
    const { groups, of } = groupingOf(scheme, columns);
    groups.forEach((group, index) => {
      expect(group.count).toBe([...of].filter((g) => g === index).length);
    });
    expect(new Set(groups.map((group) => group.letter)).size).toBe(groups.length);
  }
});

test("a hidden group is not drawn; a theme changes inks only", () => {
  const { groups } = groupingOf("predicted", columns);
  const light = paletteOf(groups, false, new Set([1]), 0.8);
  expect([...light.slice(0, 3)]).toEqual(rgb(MARKS[0]!.light).map((c) => expect.closeTo(c, 5)));
  expect(light[3]).toBeCloseTo(0.8);
  expect(light[7]).toBe(0);
  expect([...paletteOf(groups, true, new Set(), 0.8).slice(0, 3)]).toEqual(
    rgb(MARKS[0]!.dark).map((c) => expect.closeTo(c, 5)),
  );
});

test("a letter stands in the middle of its group, undisturbed by a stray cell", () => {
  const grouping = { groups: groupingOf("predicted", columns).groups, of: Uint8Array.from([0, 0, 0, 1]) };
  expect(middles(grouping, [1, 2, 900, Number.NaN], [5, 6, 7, 8])).toEqual([{ x: 2, y: 6 }, null, null, null, null]);
});
