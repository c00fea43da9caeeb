// @vitest-environment node
import { expect, test } from "vitest";
import { NONE, UNREADABLE, UNSURE, WAITING } from "../columns/columns";
import { columnsOf } from "../columns/made";
import {
  binned,
  counted,
  drawnCounts,
  EVERYTHING,
  isNarrowed,
  kept,
  placed,
  sorted,
  UNREADABLE_BIN,
  UNUSUAL_BIN,
  WAITING_BIN,
} from "./bins";

const columns = columnsOf([
  { id: 1, predicted: 0, margin: 0.9, probability: 0.95, case: 4 },
  { id: 2, predicted: 0, margin: 0.1, probability: 0.5 },
  { id: 3, predicted: 0, label: 1, margin: 0.05 },
  { id: 4, predicted: 1, label: UNSURE },
  { id: 5, status: WAITING },
  { id: 6, status: UNREADABLE },
  { id: 7, predicted: 2, novelty: 1.4 },
  { id: 8, predicted: 2, novelty: 1.4, label: 2 },
  { id: 9, predicted: 0, margin: 0.5, probability: 0.7 },
]);
const apart = { unusual: true };
const rowsOf = (bins: Map<number, Int32Array>, bin: number) => [...(bins.get(bin) ?? [])];

test("a person's label decides the bin, then the model's reading", () => {
  expect([...placed(columns, apart)]).toEqual([0, 0, 1, UNSURE, WAITING_BIN, UNREADABLE_BIN, UNUSUAL_BIN, 2, 0]);
  expect(placed(columns, { unusual: false })[6]).toBe(2);
});

test("unusual cells have their bin however many they are", () => {
  const foreign = columnsOf(Array.from({ length: 10 }, (_, at) => ({ id: at, predicted: 0, novelty: at ? 2 : 0.5 })));
  expect(counted(placed(foreign, apart))).toEqual(
    new Map([
      [0, 1],
      [UNUSUAL_BIN, 9],
    ]),
  );
});

test("the least certain lie first, what people labelled last", () => {
  const place = placed(columns, apart);
  expect(rowsOf(binned(columns, sorted(columns, place, "uncertain"), EVERYTHING), 0)).toEqual([1, 8, 0]);
  expect(rowsOf(binned(columns, sorted(columns, place, "confident"), EVERYTHING), 0)).toEqual([0, 8, 1]);
  expect(rowsOf(binned(columns, sorted(columns, place, "arrival"), EVERYTHING), 0)).toEqual([0, 1, 8]);
  const near = (id: number) => Math.abs(id - 2);
  expect(rowsOf(binned(columns, sorted(columns, place, "similar", near), EVERYTHING), 0)).toEqual([1, 0, 8]);
});

test("where it is held back how sure readings are, cells keep the order of arrival", () => {
  const foreign = columnsOf(Array.from({ length: 4 }, (_, at) => ({ id: at + 1, predicted: 0, margin: Number.NaN })));
  for (const sort of ["uncertain", "confident"] as const) {
    const order = sorted(foreign, placed(foreign, apart), sort);
    expect(rowsOf(binned(foreign, order, EVERYTHING), 0)).toEqual([0, 1, 2, 3]);
    expect([...order.key].some(Number.isNaN)).toBe(false);
  }
});

test("a refit shuffles nothing: who stays keeps its place, who comes lies first", () => {
  const before = sorted(columns, placed(columns, apart), "uncertain");
  const after = {
    ...columns,
    predicted: Uint8Array.from(columns.predicted, (code, row) => (row === 6 ? 2 : code)),
    margin: columns.margin.map((margin) => 1 - margin),
    label: Uint8Array.from(columns.label, (code, row) => (row === 2 ? 0 : code)),
  };
  const now = kept(before, after, placed(after, apart), "uncertain");
  expect(rowsOf(binned(after, now, EVERYTHING), 0)).toEqual([2, 1, 8, 0]);
});

test("new cells are sorted in, not put first", () => {
  const before = sorted(columns, placed(columns, apart), "uncertain");
  const more = columnsOf([
    ...[...columns.id].map((id, row) => ({
      id,
      predicted: columns.predicted[row],
      label: columns.label[row],
      margin: columns.margin[row],
      status: columns.status[row],
    })),
    { id: 20, predicted: 0, margin: 0.3 },
  ]);
  const now = kept(before, more, placed(more, { unusual: false }), "uncertain");
  expect(rowsOf(binned(more, now, EVERYTHING), 0)).toEqual([1, 9, 8, 0]);
});

test("filters", () => {
  const standing = sorted(columns, placed(columns, apart), "arrival");
  const shown = (filter: Partial<typeof EVERYTHING>) =>
    [...binned(columns, standing, { ...EVERYTHING, ...filter }).values()].flatMap((rows) => [...rows]).sort();
  expect(shown({})).toHaveLength(9);
  expect(shown({ who: "people" })).toEqual([2, 3, 7]);
  expect(shown({ who: "model", certainty: 0.7 })).toEqual([1, 8]);
  expect(shown({ unusual: true })).toEqual([6, 7]);
  columns.outside[6] = 1;
  expect(shown({ unusual: true, counted: "in" })).toEqual([7]);
  expect(shown({ unusual: true, counted: "out" })).toEqual([6]);
  expect(shown({ among: new Set([1, 9]) })).toEqual([0, 8]);
});

test("counts add up to the cells there are", () => {
  const counts = counted(placed(columns, apart));
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(columns.count);
  expect(counts.get(NONE)).toBeUndefined();
});

test("sorting equals the slow way, ties in the order of arrival", () => {
  const cells = Array.from({ length: 500 }, (_, id) => ({
    id,
    predicted: id % 3,
    margin: ((id * 37) % 50) / 50 - 0.4,
  }));
  const many = columnsOf(cells);
  const bins = binned(many, sorted(many, placed(many, apart), "uncertain"), EVERYTHING);
  for (const bin of [0, 1, 2]) {
    const slow = cells.filter((cell) => cell.predicted === bin).sort((a, b) => a.margin - b.margin || a.id - b.id);
    expect(rowsOf(bins, bin)).toEqual(slow.map((cell) => cell.id));
  }
});

test("a tag lets through the cells that have it, and narrows the table", () => {
  const place = placed(columns, { unusual: false });
  const standing = sorted(columns, place, "arrival");
  const filter = { ...EVERYTHING, tag: "odd" };
  const found = binned(columns, standing, filter, new Set([2, 5]));
  const ids = [...found.values()].flatMap((rows) => [...rows].map((row) => columns.id[row]!));
  expect(ids.sort()).toEqual([2, 5]);
  expect(binned(columns, standing, filter).size).toBe(0);
  expect(isNarrowed(filter)).toBe(true);
});

test("where cells were drawn, a bin knows how many of it count", () => {
  const drawn = columnsOf([
    { id: 1, predicted: 0 },
    { id: 2, predicted: 0, outside: 1 },
    { id: 3, predicted: 1, outside: 1 },
  ]);
  expect(drawnCounts(drawn, placed(drawn, { unusual: false }))).toEqual(new Map([[0, 1]]));
  const all = columnsOf([{ id: 1, predicted: 0 }]);
  expect(drawnCounts(all, placed(all, { unusual: false }))).toBeNull();
});
