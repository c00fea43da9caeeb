// @vitest-environment node
import { expect, test } from "vitest";
import { columnsOf } from "../columns/made";
import { laid } from "./layout";
import { nextAfter, range, toggled } from "./selecting";

const columns = columnsOf([10, 11, 12, 13, 14, 15].map((id) => ({ id })));
const layout = laid(
  [
    { code: 0, rows: Int32Array.of(2, 0, 1), folded: false },
    { code: 1, rows: Int32Array.of(3), folded: true },
    { code: 2, rows: Int32Array.of(5, 4), folded: false },
  ],
  500,
  64,
);

test("a range runs in the order of the table, either way, and leaves out what is folded", () => {
  const images = [10, 11, 15];
  expect(range(layout, columns, { bin: 0, at: 1 }, { bin: 2, at: 0 })).toEqual(images);
  expect(range(layout, columns, { bin: 2, at: 0 }, { bin: 0, at: 1 })).toEqual(images);
  expect(range(layout, columns, { bin: 0, at: 1 }, { bin: 0, at: 1 })).toEqual([10]);
});

test("a second click leaves out", () => {
  const once = toggled({ selection: new Set([1]), chosen: 1 }, 2);
  expect(once).toEqual({ selection: new Set([1, 2]), chosen: 2 });
  expect(toggled(once, 1).selection).toEqual(new Set([2]));
});

test("the eye goes on to the next cell of the bin, at its end to the one before, and nowhere when it is empty", () => {
  expect(nextAfter(layout, columns, { bin: 0, at: 0 }, new Set([12]))).toBe(10);
  expect(nextAfter(layout, columns, { bin: 0, at: 0 }, new Set([12, 10]))).toBe(11);
  expect(nextAfter(layout, columns, { bin: 0, at: 2 }, new Set([11]))).toBe(10);
  expect(nextAfter(layout, columns, { bin: 0, at: 1 }, new Set([10, 11, 12]))).toBeNull();
});
