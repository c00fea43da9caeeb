import { beforeEach, expect, test } from "vitest";
import { filterOf, forget, save, savedViews, type View } from "./views";

const view = (name: string, change: Partial<View> = {}): View => ({
  name,
  sort: "novel",
  filter: { who: "model", certainty: 0.7, unusual: false },
  unusualApart: false,
  size: 120,
  ...change,
});

beforeEach(() => localStorage.clear());

test("a view is there again, in its project, until it is forgotten", () => {
  save(1, view("unsure ones"));
  expect(savedViews(1)).toEqual([view("unsure ones")]);
  expect(savedViews(2)).toEqual([]);
  expect(forget(1, "unsure ones")).toEqual([]);
  expect(savedViews(1)).toEqual([]);
});

test("the same name is one view, and of many the newest are kept", () => {
  save(1, view("a"));
  save(1, view("a", { size: 64 }));
  expect(savedViews(1)).toEqual([view("a", { size: 64 })]);
  for (let at = 0; at < 20; at++) save(1, view(`view ${at}`));
  expect(savedViews(1).map(({ name }) => name)).toEqual(Array.from({ length: 12 }, (_, at) => `view ${at + 8}`));
});

test("no search and no likeness is kept, and what is no view is left out", () => {
  expect(save(1, view("like it", { sort: "similar" }))[0]!.sort).toBe("uncertain");
  expect(filterOf(view("a"))).toEqual({ who: "model", certainty: 0.7, unusual: false, counted: "all", among: null });
  localStorage.setItem("hemosight.views.1", '[{"name": "x"}, 7, null]');
  expect(savedViews(1)).toEqual([]);
  localStorage.setItem("hemosight.views.1", "{");
  expect(savedViews(1)).toEqual([]);
});
