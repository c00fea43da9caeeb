// @vitest-environment node
import { expect, test } from "vitest";
import { UNREADABLE, UNSURE, WAITING } from "../columns/columns";
import { columnsOf, MARKS } from "../columns/made";
import { shares } from "./shares";

const platelet = { ...MARKS[0]!, name: "platelet", counts: "apart" as const };

test("shares are of leukocytes, whoever said so and whatever the bin", () => {
  const cells = columnsOf([
    { id: 1, predicted: 0 },
    { id: 2, predicted: 0, label: 1 },
    { id: 3, predicted: 1, novelty: 3 },
    { id: 4, predicted: 2, label: UNSURE },
    { id: 5, status: WAITING },
    { id: 6, status: UNREADABLE },
    { id: 7, predicted: 2 },
    { id: 8, predicted: 3 },
  ]);
  const columns = { ...cells, classes: [...MARKS, platelet] };
  expect([...shares(columns)]).toEqual([
    [0, 0.25],
    [1, 0.5],
    [2, 0.25],
  ]);
  expect(shares({ ...columns, classes: [...MARKS, { ...platelet, counts: "in" }] }).get(3)).toBe(0.2);
});

test("what was not drawn to be counted has no share", () => {
  const cells = columnsOf([
    { id: 1, predicted: 0 },
    { id: 2, predicted: 1, outside: 1 },
    { id: 3, predicted: 1, label: 1 },
    { id: 4, predicted: 1, label: 1, outside: 1 },
  ]);
  expect([...shares(cells)].slice(0, 2)).toEqual([
    [0, 0.5],
    [1, 0.5],
  ]);
});

test("nothing counted is no share", () => {
  expect([...shares(columnsOf([])).values()]).toEqual([0, 0, 0]);
});
