// @vitest-environment node
import { expect, test } from "vitest";
import { caught, type Loop, thinned, within } from "./lasso";

// A horseshoe that is open at the top.
const horseshoe: Loop = [
  [0, 0],
  [6, 0],
  [6, 6],
  [4, 6],
  [4, 2],
  [2, 2],
  [2, 6],
  [0, 6],
];

test.each([
  [1, 5, true],
  [5, 5, true],
  [3, 1, true],
  [3, 5, false],
  [7, 1, false],
  [3, -1, false],
])("(%d, %d) within the horseshoe: %s", (x, y, inside) => {
  expect(within(horseshoe, x, y)).toBe(inside);
});

test("catches what a slow look at every point finds", () => {
  const x = Float32Array.from({ length: 500 }, (_, i) => ((i * 37) % 101) / 12);
  const y = Float32Array.from({ length: 500 }, (_, i) => ((i * 53) % 97) / 12);
  const slow = [...x.keys()].filter((i) => within(horseshoe, x[i]!, y[i]!));
  expect(slow.length).toBeGreaterThan(50);
  expect(caught(horseshoe, x, y)).toEqual(slow);
});

test("leaves out what is hidden, and cells without a place", () => {
  expect(caught(horseshoe, [1, 1, Number.NaN], [1, 2, 1], (i) => i !== 0)).toEqual([1]);
});

test("a line is not a loop", () => {
  expect(
    caught(
      [
        [0, 0],
        [9, 9],
      ],
      [1],
      [1],
    ),
  ).toEqual([]);
});

test("a hand's trembling is left out", () => {
  expect(
    thinned(
      [
        [0, 0],
        [0, 1],
        [0, 5],
        [0, 5.5],
        [5, 5],
      ],
      4,
    ),
  ).toEqual([
    [0, 0],
    [0, 5],
    [5, 5],
  ]);
});
