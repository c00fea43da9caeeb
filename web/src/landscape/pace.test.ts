// @vitest-environment node
import { describe, expect, test } from "vitest";
import { MOST_SLICES, Pace } from "./pace";

/** A machine that draws so many points in a millisecond, on a screen of 60 frames a second. */
function drawn(pace: Pace, count: number, perMs: number): number {
  const work = count / pace.slices / perMs;
  return Math.max(1, Math.ceil(work / 16.7)) * 16.7;
}

function moved(count: number, perMs: number, frames: number): { pace: Pace; intervals: number[] } {
  const pace = new Pace();
  pace.begin(count);
  const intervals = Array.from({ length: frames }, () => {
    const interval = drawn(pace, count, perMs);
    pace.took(interval);
    return interval;
  });
  return { pace, intervals };
}

describe("pace", () => {
  test("a slow machine soon draws in time, and late frames stay rare", () => {
    const { intervals } = moved(1_000_000, 1200, 400);
    const settled = intervals.slice(10);
    expect(settled.filter((interval) => interval > 30).length).toBeLessThan(settled.length / 20);
  });

  test("a fast machine draws everything in each frame", () => {
    expect(moved(1_000_000, 100_000, 400).pace.slices).toBe(1);
  });

  test("no machine is so slow that a stride would overflow", () => {
    expect(moved(50_000_000, 10, 50).pace.slices).toBe(MOST_SLICES);
  });

  test("a few points are drawn at once, and a pause says nothing about speed", () => {
    const pace = new Pace();
    pace.begin(2000);
    expect(pace.slices).toBe(1);
    pace.took(4000);
    expect(pace.slices).toBe(1);
  });

  test("between in time and late nothing changes", () => {
    const pace = new Pace();
    pace.begin(1_000_000);
    const { slices } = pace;
    for (let frame = 0; frame < 100; frame++) pace.took(25);
    expect(pace.slices).toBe(slices);
  });
});
