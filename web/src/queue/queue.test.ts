// @vitest-environment node
import { expect, test } from "vitest";
import type { NextShown } from "../api/schema";
import { answered, extended, forecastWords, LEFT_OUT, openUpwards, renewed, START, skipped, step } from "./queue";

const next = (...images: number[]): NextShown[] =>
  images.map((image) => ({ image, reason: "unsure", predicted: "monocyte", probability: 0.4 }));
const order = (walk: { items: NextShown[] }) => walk.items.map(({ image }) => image);

test("an answer is kept, and the walk goes on", () => {
  let walk = answered(extended(START, next(7, 8, 9)), "blast");
  expect(walk.at).toBe(1);
  walk = answered(step(walk, -1), "monocyte");
  expect([...walk.answers]).toEqual([[7, "monocyte"]]);
  expect(walk.at).toBe(1);
});

test("a walk ends behind its last cell and never before its first", () => {
  const walk = extended(START, next(7));
  expect(step(walk, -1).at).toBe(0);
  expect(step(step(walk, 1), 1).at).toBe(1);
  expect(answered(step(walk, 1), "blast").answers.size).toBe(0);
});

test("a cell comes once, however often the service offers it", () => {
  expect(order(extended(extended(START, next(1, 2)), next(2, 3)))).toEqual([1, 2, 3]);
});

test("a new order leaves the current cell and the way behind it alone", () => {
  const walk = answered(extended(START, next(1, 2, 3, 4)), "blast");
  expect(order(renewed(walk, next(9, 1, 3)))).toEqual([1, 2, 9, 3]);
});

test("what the walk has come by without an answer is left out of the next round", () => {
  const walk = step(answered(step(extended(START, next(1, 2, 3, 4)), 1), "blast"), 1);
  expect(skipped(walk)).toEqual([1, 3, 4]);
  expect(skipped(step(walk, -1))).toEqual([1, 3]);
  expect(skipped(START)).toEqual([]);
});

test("a cell whose label did not last comes again, but not at once", () => {
  let walk = answered(extended(START, next(1, 2, 3)), "blast");
  expect(order(extended(walk, next(1)))).toEqual([1, 2, 3]);
  expect(order(renewed(walk, next(2, 1, 4)))).toEqual([1, 2, 4]);
  walk = answered(walk, "blast");
  expect(order(renewed(walk, next(2, 1, 4)))).toEqual([1, 2, 3, 1, 4]);
  expect(order(renewed(step(walk, -1), next(2, 4)))).toEqual([1, 2, 4]);
});

test("a cell that came twice is not asked a third time, so a walk of skips ends", () => {
  let walk = answered(answered(extended(START, next(1, 2)), "blast"), "blast");
  expect(skipped(walk)).toEqual([]);
  walk = step(extended(walk, next(1)), 1);
  expect(order(walk)).toEqual([1, 2, 1]);
  expect(skipped(walk)).toEqual([1]);
  expect(order(extended(walk, next(1)))).toEqual([1, 2, 1]);
});

test("of very many skipped cells the first come round again", () => {
  const many = Array.from({ length: LEFT_OUT + 2 }, (_, at) => at + 1);
  const walk = { ...extended(START, next(...many)), at: many.length };
  expect(skipped(walk)).toHaveLength(LEFT_OUT);
  expect(order(renewed(walk, next(1, 2, 3))).slice(many.length)).toEqual([1, 2]);
});

test("the forecast in a sentence", () => {
  const forecast = { target: 0.95, score: 0.9, labels: 60, more: 40, low: 25, high: 80, by_class: {} };
  expect(forecastWords(forecast)).toBe("About 40 more labels (25 to 80) to a macro-F1 of 0.95 by your labels alone.");
  expect(forecastWords({ ...forecast, more: 0 })).toBe("A macro-F1 of 0.95 is reached by your labels alone.");
});

test("a forecast whose interval is open upwards names no upper end", () => {
  const forecast = { target: 0.95, score: 0.9, labels: 60, more: 200, low: 25, high: 540, by_class: {} };
  expect(openUpwards(forecast)).toBe(true);
  expect(forecastWords(forecast)).toBe(
    "At least 25 more labels, most likely about 200, to a macro-F1 of 0.95 by your labels alone.",
  );
  expect(forecastWords({ ...forecast, low: 0 })).toBe(
    "About 200 more labels to a macro-F1 of 0.95 by your labels alone. It may take many more.",
  );
  expect(openUpwards({ ...forecast, high: 539 })).toBe(false);
});
