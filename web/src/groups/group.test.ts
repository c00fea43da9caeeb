import { expect, test } from "vitest";
import { begun, ended, looked, narrowed, percent, type Search } from "./group";

/** Where the search ends, and at how many cells somebody looked, where the first `right` of so many are of the type. */
function found(cells: number, right: number): { border: number; looks: number } {
  let search: Search = begun(cells);
  let looks = 0;
  while (!ended(search)) {
    const places = looked(search);
    expect(places.every((place) => place >= 0 && place < cells)).toBe(true);
    search = narrowed(
      search,
      places.every((place) => place < right),
    );
    looks += 1;
    expect(looks).toBeLessThan(12);
  }
  return { border: search.low, looks };
}

test("the border that is found has only cells of the type before it, and few of them behind it", () => {
  for (const cells of [1, 2, 3, 4, 10, 57, 1000, 20_000])
    for (const share of [0, 0.03, 0.3, 0.5, 0.77, 0.99, 1]) {
      const right = Math.floor(share * cells);
      const { border } = found(cells, right);
      expect(border).toBeLessThanOrEqual(right);
      expect(right - border).toBeLessThanOrEqual(Math.max(3, 0.1 * cells) + 1);
    }
  expect(found(1000, 1000)).toEqual({ border: 1000, looks: 1 });
});

test("a bound is rounded down, so that it holds", () => {
  expect(percent(0.95049)).toBe("95.0%");
  expect(percent(0.94999)).toBe("94.9%");
  expect(percent(1)).toBe("100.0%");
  expect(percent(0.57)).toBe("57.0%");
});
