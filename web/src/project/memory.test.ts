import { beforeEach, expect, test } from "vitest";
import { memoryOf } from "./memory";
import type { LabelEdit } from "./state";

const edit = (records: number[], cells = 1): LabelEdit => ({
  kind: "set",
  labelSet: "cell_type",
  items: Array.from({ length: cells }, (_, image) => ({ image, before: null, after: "neutrophil" })),
  records,
});

beforeEach(() => sessionStorage.clear());

test("what was answered is there again, by person, project and case", () => {
  memoryOf(1, 2).write(3, [edit([7]), edit([])]);
  expect(memoryOf(1, 2).read(3)).toEqual([edit([7])]);
  for (const other of [memoryOf(9, 2).read(3), memoryOf(1, 9).read(3), memoryOf(1, 2).read(null)])
    expect(other).toEqual([]);
});

test("of many edits the last are kept, and nothing is left of none", () => {
  const memory = memoryOf(1, 2);
  memory.write(
    null,
    Array.from({ length: 80 }, (_, at) => edit([at + 1])),
  );
  expect(memory.read(null).map(({ records }) => records[0])).toEqual(Array.from({ length: 50 }, (_, at) => at + 31));
  memory.write(null, [edit([1], 15_000), edit([2], 15_000)]);
  expect(memory.read(null).map(({ records }) => records)).toEqual([[2]]);
  memory.write(null, []);
  expect(sessionStorage.length).toBe(0);
});

test("what is kept and is no edit, or no storage, is nothing to undo", () => {
  sessionStorage.setItem("hemosight.undo.1.2.all", '[{"labelSet": 3}, null, "x"]');
  expect(memoryOf(1, 2).read(null)).toEqual([]);
  sessionStorage.setItem("hemosight.undo.1.2.all", "{");
  expect(memoryOf(1, 2).read(null)).toEqual([]);
  const full = {
    getItem: () => null,
    setItem: () => {
      throw new Error("full");
    },
  } as unknown as Storage;
  expect(() => memoryOf(1, 2, full).write(null, [edit([1])])).not.toThrow();
});
