// @vitest-environment node
import { expect, test } from "vitest";
import type { SearchShown } from "../api/schema";
import { lead, percent, progress } from "./search";

const STATE: SearchShown = {
  items: [{ image: 7, way: "ranked", probability: 0.4 }],
  next: null,
  text: "",
  cells: 400,
  looked: 30,
  ranked: 30,
  ranked_found: 2,
  random: 0,
  random_found: 0,
  way: "ranked",
  estimate: null,
  low: 2,
  high: 372,
  below: 0.01,
  decided: null,
  further: 250,
};

test("what comes next is said", () => {
  expect(lead(STATE)).toBe("Likeliest first · 2 found");
  expect(lead({ ...STATE, way: "random", random_found: 1 })).toContain("Drawn at random from the rest");
  expect(lead({ ...STATE, items: [] })).toBe("Every cell was looked at");
});

test("random looks lead to the answer, ranked ones to nobody knows where", () => {
  expect(progress(STATE)).toBeNull();
  expect(progress({ ...STATE, way: "random", random: 50, further: 150 })).toBe(0.25);
  expect(progress({ ...STATE, decided: true })).toBe(1);
  expect(progress({ ...STATE, way: "random", further: null })).toBeNull();
});

test("shares are percentages without noise", () => {
  expect([0.001, 0.01, 0.005].map(percent)).toEqual(["0.1%", "1%", "0.5%"]);
});
