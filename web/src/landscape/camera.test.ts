// @vitest-environment node
import { expect, test } from "vitest";
import { boundsOf, fit, pan, toMap, toScreen, zoom } from "./camera";

const size = { width: 400, height: 300 };
const view = { x: 2, y: -1, scale: 10 };

test("a place on the screen is a place on the map and back", () => {
  const [x, y] = toMap(view, size, 37, 211);
  expect(toScreen(view, size, x, y)).toEqual([expect.closeTo(37), expect.closeTo(211)]);
});

test("up on the map is up on the screen", () => {
  expect(toScreen(view, size, 2, 0)[1]).toBeLessThan(toScreen(view, size, 2, -1)[1]);
});

test("what lies under the pointer stays there while zooming", () => {
  const before = toMap(view, size, 50, 60);
  const after = toMap(zoom(view, size, 2.5, 50, 60), size, 50, 60);
  expect(after).toEqual([expect.closeTo(before[0]), expect.closeTo(before[1])]);
});

test("a dragged point follows the pointer", () => {
  const [px, py] = toScreen(view, size, 3, 1);
  expect(toScreen(pan(view, 15, -8), size, 3, 1)).toEqual([expect.closeTo(px + 15), expect.closeTo(py - 8)]);
});

test("the whole map fits, cells without a place left out", () => {
  const cloud = { x: [0, 10, Number.NaN], y: [5, 25, 1000] };
  const bounds = boundsOf([cloud]);
  expect(bounds).toEqual({ left: 0, right: 10, bottom: 5, top: 25 });
  const fitted = fit(bounds, size);
  for (const [x, y] of [
    [0, 5],
    [10, 25],
  ] as const) {
    const [px, py] = toScreen(fitted, size, x, y);
    expect(px).toBeGreaterThanOrEqual(0);
    expect(px).toBeLessThanOrEqual(size.width);
    expect(py).toBeGreaterThanOrEqual(24 - 1e-9);
    expect(py).toBeLessThanOrEqual(size.height - 24 + 1e-9);
  }
});

test("an empty map still has a view", () => {
  expect(fit(boundsOf([]), size).scale).toBeGreaterThan(0);
});
