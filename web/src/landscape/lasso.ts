/** Which points lie within a line drawn around them. */

export type Loop = [number, number][];

/** Points of a drawn line that lie at least `apart` from the one before: a hand draws more than is needed. */
export function thinned(loop: Loop, apart: number): Loop {
  const kept: Loop = [];
  for (const point of loop) {
    const last = kept.at(-1);
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= apart) kept.push(point);
  }
  return kept;
}

/** Whether a point lies within a closed loop, by the number of its edges to the right (even-odd rule). */
export function within(loop: Loop, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = loop.length - 1; i < loop.length; j = i++) {
    const [xi, yi] = loop[i]!;
    const [xj, yj] = loop[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Indices of the points of a cloud within a loop, among those that `shown` lets through. */
export function caught(
  loop: Loop,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  shown: (index: number) => boolean = () => true,
): number[] {
  if (loop.length < 3) return [];
  const xs = loop.map((point) => point[0]);
  const ys = loop.map((point) => point[1]);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let i = 0; i < x.length; i++) {
    const px = x[i]!;
    const py = y[i]!;
    // The box first: most of a million points are elsewhere.
    if (px >= left && px <= right && py >= bottom && py <= top && within(loop, px, py) && shown(i)) found.push(i);
  }
  return found;
}
