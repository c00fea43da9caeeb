import { beforeEach, expect, test, vi } from "vitest";
import { MARKS } from "../columns/made";
import { EVERYTHING, UNSURE_BIN, UNUSUAL_BIN } from "./bins";
import { filterOf, foldedOf, handOver, inBrowser, viewOf } from "./views";

const TABLE = { classes: MARKS, labelSet: "cell_type" };
const old = (name: string, change = {}) => ({
  name,
  sort: "novel",
  filter: { who: "model", certainty: 0.7, unusual: false },
  unusualApart: false,
  size: 120,
  ...change,
});

beforeEach(() => localStorage.clear());

test("a view brings back sorting, filter, size and folded bins, but no search and no likeness", () => {
  const filter = { ...EVERYTHING, who: "people" as const, tag: "ask Amina", among: new Set([1]) };
  const folded = new Set([1, UNSURE_BIN, UNUSUAL_BIN]);
  const kept = viewOf({ filter, sort: "similar", unusualApart: true, folded }, TABLE, 96);
  expect(kept.sort).toBe("uncertain");
  expect(kept.size).toBe(96);
  expect(filterOf(kept)).toEqual({ ...filter, among: null });
  expect(kept.folded).toEqual(["lymphocyte", "?"]);
  expect(foldedOf(kept, MARKS)).toEqual(new Set([1, UNSURE_BIN]));
  expect(foldedOf({ ...kept, folded: ["gone"] }, MARKS)).toEqual(new Set());
});

test("what a browser kept goes to the service once, and quietly", async () => {
  localStorage.setItem("hemosight.views.1", JSON.stringify([old("a"), old("b", { sort: "similar", size: 4000 })]));
  const keep = vi.fn().mockResolvedValue(undefined);
  expect(await handOver(1, ["a"], keep)).toBe(true);
  expect(keep.mock.calls.map(([view]) => [view.name, view.view.sort, view.view.size])).toEqual([
    ["b", "uncertain", 400],
  ]);
  expect(localStorage.getItem("hemosight.views.1")).toBeNull();
  expect(await handOver(1, [], keep)).toBe(false);
  expect(keep).toHaveBeenCalledTimes(1);
});

test("what the service does not take now stays for the next visit", async () => {
  localStorage.setItem("hemosight.views.1", JSON.stringify([old("a")]));
  expect(await handOver(1, [], () => Promise.reject(new Error("away")))).toBe(false);
  expect(inBrowser(1).map(({ name }) => name)).toEqual(["a"]);
});

test("what is no view is left out", () => {
  localStorage.setItem("hemosight.views.1", '[{"name": "x"}, 7, null]');
  expect(inBrowser(1)).toEqual([]);
  localStorage.setItem("hemosight.views.1", "{");
  expect(inBrowser(1)).toEqual([]);
});
