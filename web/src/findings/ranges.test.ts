// @vitest-environment node
import { expect, test } from "vitest";
import { rangeOf, withRange } from "./ranges";

test("a range begins with one side, keeps its place and goes with its last side", () => {
  let ranges = withRange([], "neutrophil", "low", "40");
  expect(ranges).toEqual([{ label: "neutrophil", low: 40, high: null, absolute_low: null, absolute_high: null }]);
  ranges = withRange(ranges, "blast", "high", "0");
  ranges = withRange(ranges, "neutrophil", "high", "75.5");
  expect(ranges.map(({ label }) => label)).toEqual(["neutrophil", "blast"]);
  expect(rangeOf(ranges, "neutrophil", "high")).toBe("75.5");
  expect(rangeOf(ranges, "blast", "high")).toBe("0");
  expect(rangeOf(ranges, "blast", "low")).toBe("");
  expect(withRange(ranges, "blast", "high", " ").map(({ label }) => label)).toEqual(["neutrophil"]);
});
