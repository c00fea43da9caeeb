/** How far cells lie from a set of others: the least distance to any of them. */

import type { Neighbours } from "../api/schema";
import { type Columns, rowOf } from "../columns/columns";

/** How many neighbours of each cell are asked for; beyond them the map's distance decides. */
export const NEAR = 100;
/** Of how many cells of a large selection neighbours are asked for, spread over it; the map decides for the others. */
const ASKED = 24;

/** Of a cell that has no place on the map. */
const NOWHERE = 1e6;

export type Distance = (id: number, row: number) => number;

/** The cells whose neighbours are asked for: all of a small set, so many of a large one at even distances. */
export function asked(images: readonly number[]): number[] {
  if (images.length <= ASKED) return [...images];
  return Array.from({ length: ASKED }, (_, at) => images[Math.floor((at * images.length) / ASKED)]!);
}

/**
 * Least distance to any cell of a set.
 *
 * `ask` gives the nearest cells of one, with their distances. Cells of the set come first, then what is near any of
 * them, then the rest by the map.
 */
export async function distancesFrom(
  columns: Columns,
  images: readonly number[],
  ask: (image: number) => Promise<Neighbours["items"]>,
): Promise<Distance> {
  const near = new Map<number, number>();
  for (const items of await Promise.all(asked(images).map(ask)))
    for (const { image, distance } of items) {
      if (image !== null) near.set(image, Math.min(distance, near.get(image) ?? Number.POSITIVE_INFINITY));
    }
  const beyond = Math.max(0, ...near.values()) + 1;
  for (const image of images) near.set(image, -1);
  const places = images.map((image) => rowOf(columns, image)).filter((row) => row >= 0);
  const onMap = (other: number) => {
    let least = NOWHERE;
    for (const row of places) {
      const apart = Math.hypot(columns.x[other]! - columns.x[row]!, columns.y[other]! - columns.y[row]!);
      if (apart < least) least = apart;
    }
    return least;
  };
  return (id, row) => near.get(id) ?? beyond + onMap(row);
}
