// @vitest-environment node
import { expect, test, vi } from "vitest";
import { columnsOf } from "../columns/made";
import { asked, distancesFrom } from "./alike";

const near = (image: number, distance: number) => ({ image, distance }) as never;

test("a cell is as near to a set as to the nearest of it", async () => {
  const columns = columnsOf([1, 2, 3, 4, 5, 6].map((id) => ({ id })));
  columns.x.set([0, 10, 1, 9, 4, 30]);
  const answers: Record<number, never[]> = { 1: [near(3, 0.2), near(4, 0.9)], 2: [near(4, 0.1)] };
  const ask = vi.fn(async (image: number) => answers[image]!);
  const distance = await distancesFrom(columns, [1, 2], ask);
  const order = [1, 2, 3, 4, 5, 6]
    .map((id, row) => ({ id, far: distance(id, row) }))
    .sort((a, b) => a.far - b.far)
    .map(({ id }) => id);
  // 4 is near 2 though far from 1; 5 and 6 are nobody's neighbours, and 5 lies nearer on the map.
  expect(order).toEqual([1, 2, 4, 3, 5, 6]);
  const alone = await distancesFrom(columns, [1], ask);
  expect(alone(4, 3)).toBeCloseTo(0.9);
  expect(alone(2, 1)).toBeGreaterThan(alone(5, 4));
});

test("of a large selection some are asked, spread over it", () => {
  const images = Array.from({ length: 500 }, (_, id) => id);
  expect(asked(images.slice(0, 5))).toEqual([0, 1, 2, 3, 4]);
  const some = asked(images);
  expect(some).toHaveLength(24);
  expect(new Set(some).size).toBe(24);
  expect(some.at(-1)).toBeGreaterThan(450);
});
