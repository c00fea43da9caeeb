// @vitest-environment node
import { expect, test } from "vitest";
import type { FieldShown } from "../api/schema";
import { fairnessOf, legendOf, mapsOf } from "./map";

function field(id: number, given: Partial<FieldShown> = {}): FieldShown {
  return {
    id,
    name: `${id}.png`,
    case: 1,
    width: 640,
    height: 480,
    red_cell_px: 77,
    scale_from: "given",
    cells: 2,
    added: 0,
    removed: 0,
    seen_again: 0,
    uncounted: 0,
    covered: 0.5,
    fair: !given.reasons?.length,
    fairness: "",
    reasons: [],
    film: null,
    x: null,
    y: null,
    checked_by: null,
    checked_at: null,
    uploaded_at: "2026-03-02T09:00:00Z",
    ...given,
  };
}

test("fields of a film lie where they lie, overlap and all", () => {
  const [map, ...others] = mapsOf([
    field(1, { film: "a", x: 1000, y: 200 }),
    field(2, { film: "a", x: 1520, y: 200 }),
    field(3, { film: "a", x: 1000, y: 560 }),
  ]);
  expect(others).toEqual([]);
  expect(map!.placed).toBe(true);
  expect(map!.aspect).toBeCloseTo(1160 / 840);
  expect(map!.spots.map(({ left, top }) => [left, top])).toEqual([
    [0, 0],
    [520 / 1160, 0],
    [0, 360 / 840],
  ]);
  expect(map!.spots[1]!.left + map!.spots[1]!.width).toBeCloseTo(1);
});

test("what has no place stands in rows in the order it came, and within the map", () => {
  const fields = Array.from({ length: 20 }, (_, at) => field(at + 1));
  const [map] = mapsOf([...fields, field(21, { film: "alone", x: 5, y: 5 })]);
  expect(map!.placed).toBe(false);
  expect(map!.spots.map((spot) => spot.field.id)).toEqual(Array.from({ length: 21 }, (_, at) => at + 1));
  for (const { left, top, width, height } of map!.spots) {
    expect(left + width).toBeLessThanOrEqual(1.0001);
    expect(top + height).toBeLessThanOrEqual(1.0001);
  }
  expect(map!.spots[8]!.top).toBeGreaterThan(map!.spots[0]!.top);
});

test("two films are two maps, and no field is left out", () => {
  const fields = ["a", "a", "b", "b", null].map((film, at) =>
    field(at, { film, x: film ? 640 * at : null, y: film ? 0 : null }),
  );
  const maps = mapsOf(fields);
  expect(maps.map(({ placed }) => placed)).toEqual([true, true, false]);
  expect(maps.flatMap(({ spots }) => spots.map((spot) => spot.field.id))).toEqual([0, 1, 2, 3, 4]);
  expect(mapsOf([])).toEqual([]);
});

test("the legend counts fields and cells by what speaks against them", () => {
  const fields = [field(1), field(2, { reasons: ["thick", "blurred"] }), field(3, { reasons: ["blurred"], cells: 5 })];
  expect(fairnessOf(fields[1]!)).toBe("thick");
  expect(legendOf(fields)).toEqual([
    { kind: "fair", words: "fair to count in", fields: 1, cells: 2 },
    { kind: "thick", words: "too thick", fields: 1, cells: 2 },
    { kind: "blurred", words: "out of focus", fields: 1, cells: 5 },
  ]);
});
