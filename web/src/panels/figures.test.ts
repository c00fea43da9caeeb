// @vitest-environment node
import { expect, test } from "vitest";
import { bounds, byCase, confused, seconds } from "./figures";

test("a figure has its interval, and nothing is said where there is none", () => {
  expect(bounds({ value: 0.821, low: 0.7, high: 0.934 })).toBe("0.82 [0.70, 0.93]");
  expect(bounds({ value: 0.5, low: null, high: null })).toBe("0.50");
  expect(bounds({ value: null, low: null, high: null })).toBe("");
  expect(bounds(null)).toBe("");
});

test("times are in seconds", () => {
  expect(seconds(1849)).toBe("1.8 s");
  expect(seconds(null)).toBe("");
});

test("what was right is no confusion, and the most frequent stands first", () => {
  const row = (reference: string, said: string, count: number) => ({ reference, said, count });
  const rows = [row("blast", "blast", 40), row("blast", "?", 1), row("monocyte", "blast", 3)];
  expect(confused(rows)).toEqual([row("monocyte", "blast", 3), row("blast", "?", 1)]);
});

test("cases stand in the order of their keys, each with its readers together", () => {
  const row = (key: string, user: number) => ({ key, user });
  expect(byCase([row("24-10", 1), row("24-9", 2), row("24-9", 1)])).toEqual([
    row("24-9", 1),
    row("24-9", 2),
    row("24-10", 1),
  ]);
});
