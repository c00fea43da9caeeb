// @vitest-environment node
import { describe, expect, test } from "vitest";
import { corner, type Layout, laid, type Spot, spotAt, spotOf, spots, stepped, touched, within } from "./layout";

const rows = (from: number, count: number) => Int32Array.from({ length: count }, (_, at) => from + at);

/** Three crops a line: 7 cells, none, 2 cells. */
const layout = laid(
  [
    { code: 0, rows: rows(0, 7), folded: false },
    { code: 1, rows: rows(0, 0), folded: false },
    { code: 2, rows: rows(7, 2), folded: false },
  ],
  196,
  64,
);

function everySpot(of: Layout): Spot[] {
  return of.bins.flatMap((bin, index) => [...bin.rows].map((_, at) => ({ bin: index, at })));
}

test("as many crops a line as fit, and no room left at its end", () => {
  expect(layout).toMatchObject({ perRow: 3, size: 64 });
  expect(laid(layout.bins, 195.9, 64).perRow).toBe(2);
  for (let width = 64; width < 700; width += 13) {
    const { perRow, step, size } = laid(layout.bins, width, 64);
    expect(size).toBeGreaterThanOrEqual(64);
    expect(width - (perRow * step - 2)).toBeLessThan(perRow);
    expect(perRow * step - 2).toBeLessThanOrEqual(width);
  }
  expect(laid(layout.bins, 10, 64).perRow).toBe(1);
});

test("bins follow one another without a gap and cells lie within their bin", () => {
  let bottom = 0;
  for (const bin of layout.bins) {
    expect(bin.top).toBe(bottom);
    bottom = bin.bottom;
  }
  for (const spot of everySpot(layout)) {
    const { y } = corner(layout, spot);
    const bin = layout.bins[spot.bin]!;
    expect(y).toBeGreaterThanOrEqual(bin.cells);
    expect(y + layout.size).toBeLessThanOrEqual(bin.bottom);
  }
});

test("the crop at a point is the crop that lies there", () => {
  for (const spot of everySpot(layout)) {
    const { x, y } = corner(layout, spot);
    expect(spotAt(layout, x + 1, y + 1)).toEqual(spot);
    expect(spotAt(layout, x + 63, y + 63)).toEqual(spot);
  }
  expect(spotAt(layout, 1, layout.bins[1]!.cells + 1)).toBeNull();
  expect(spotAt(layout, 140, layout.bins[0]!.cells + 2 * 66 + 1)).toBeNull();
});

test("what is in sight is what intersects the window, whole lines at a time", () => {
  for (let top = -50; top < layout.height; top += 37) {
    const bottom = top + 100;
    const seen = within(layout, top, bottom).flatMap(({ bin, from, to }) =>
      [...layout.bins[bin]!.rows.slice(from, to)].map((row) => row),
    );
    const slow = everySpot(layout)
      .filter((spot) => {
        const { y } = corner(layout, spot);
        return y <= bottom && y + layout.step > top;
      })
      .map(({ bin, at }) => layout.bins[bin]!.rows[at]!);
    expect(seen).toEqual(slow);
  }
});

test("a rubber band takes the crops it touches", () => {
  const top = layout.bins[0]!.cells;
  expect(touched(layout, { left: 70, top: top + 10, right: 71, bottom: top + 80 })).toEqual([1, 4]);
  expect(touched(layout, { left: -5, top: -5, right: 500, bottom: 9999 })).toHaveLength(9);
  expect(touched(layout, { left: 0, top: 0, right: 500, bottom: 20 })).toEqual([]);
});

test("every row knows its spot", () => {
  const places = spots(layout, 10);
  for (const spot of everySpot(layout)) expect(spotOf(places, layout.bins[spot.bin]!.rows[spot.at]!)).toEqual(spot);
  expect(spotOf(places, 9)).toBeNull();
});

describe("arrows", () => {
  const go = (bin: number, at: number, step: Parameters<typeof stepped>[2]) => {
    const to = stepped(layout, { bin, at }, step);
    return [to.bin, to.at];
  };
  test("walk along lines and over bins, past empty ones", () => {
    expect(go(0, 0, "right")).toEqual([0, 1]);
    expect(go(0, 6, "right")).toEqual([2, 0]);
    expect(go(2, 0, "left")).toEqual([0, 6]);
    expect(go(0, 1, "down")).toEqual([0, 4]);
    expect(go(0, 4, "down")).toEqual([0, 6]);
    expect(go(0, 6, "down")).toEqual([2, 0]);
    expect(go(2, 1, "up")).toEqual([0, 6]);
    expect(go(0, 5, "up")).toEqual([0, 2]);
    expect(go(0, 3, "next-bin")).toEqual([2, 0]);
    expect(go(2, 1, "last-bin")).toEqual([0, 0]);
  });
  test("stay where there is nowhere to go", () => {
    expect(go(0, 0, "left")).toEqual([0, 0]);
    expect(go(0, 2, "up")).toEqual([0, 2]);
    expect(go(2, 1, "right")).toEqual([2, 1]);
    expect(go(2, 1, "down")).toEqual([2, 1]);
  });
});

test("a folded bin shows nothing and is stepped over", () => {
  const folded = laid(
    [
      { code: 0, rows: rows(0, 2), folded: false },
      { code: 1, rows: rows(2, 9), folded: true },
      { code: 2, rows: rows(11, 1), folded: false },
    ],
    198,
    64,
  );
  expect(within(folded, 0, 9999).map(({ bin }) => bin)).toEqual([0, 2]);
  expect(stepped(folded, { bin: 0, at: 1 }, "right")).toEqual({ bin: 2, at: 0 });
});
