// @vitest-environment node
import { expect, test } from "vitest";
import { Grid } from "./nearest";

const count = 2000;
const x = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 20);
const y = Float32Array.from({ length: count }, (_, i) => Math.cos(i * 78.233) * 5);

function slow(px: number, py: number, radius: number, shown: (i: number) => boolean): number {
  let best = -1;
  let least = radius;
  for (let i = 0; i < count; i++) {
    const distance = Math.hypot(x[i]! - px, y[i]! - py);
    if (shown(i) && distance <= least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

test("finds what a look at every point finds", () => {
  const grid = new Grid(x, y);
  const odd = (i: number) => i % 2 === 1;
  for (let k = 0; k < 200; k++) {
    const [px, py] = [Math.sin(k) * 24, Math.cos(k * 3) * 7];
    expect(grid.nearest(px, py, 1.5, odd)).toBe(slow(px, py, 1.5, odd));
  }
});

test("nothing is near where nothing is", () => {
  const grid = new Grid(x, y);
  expect(grid.nearest(100, 100, 3)).toBe(-1);
  expect(new Grid([], []).nearest(0, 0, 3)).toBe(-1);
});

test("cells without a place are never found; a single one with a place is", () => {
  const grid = new Grid([Number.NaN, 3], [Number.NaN, 4]);
  expect(grid.nearest(3.1, 4, 1)).toBe(1);
  expect(grid.nearest(0, 0, 1)).toBe(-1);
});
