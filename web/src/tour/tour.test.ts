import { beforeEach, expect, test } from "vitest";
import { columnsOf } from "../columns/made";
import type { LabelEdit } from "../project/state";
import { keep, kept, reached, type Seen, STEPS } from "./tour";

const edit = (kind: LabelEdit["kind"], cells: number): LabelEdit => ({
  kind,
  labelSet: "cell_type",
  items: Array.from({ length: cells }, (_, image) => ({ image, before: null, after: "monocyte" })),
  records: [1],
});
const seen = (change: Partial<Seen["state"]> = {}, screen = ""): Seen => ({
  state: { columns: columnsOf([]), chosen: null, past: [], future: [], ...change },
  screen,
});
const cells = columnsOf([{ id: 1 }]);

beforeEach(() => sessionStorage.clear());

test("each step is done by what it asks for", () => {
  const story: Seen[] = [
    seen(),
    seen({ columns: cells }),
    seen({ columns: cells, chosen: 1 }),
    seen({ columns: cells, chosen: 1, past: [edit("set", 1)] }),
    seen({ columns: cells, chosen: 1, future: [edit("set", 1)] }),
    seen({ columns: cells, chosen: 1, past: [edit("agree", 12)] }),
    seen({ columns: cells }, "/report"),
  ];
  let at = 0;
  expect(story.map((now) => (at = reached(at, now)))).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(at).toBe(STEPS.length);
});

test("agreeing with one cell is no agreeing with a bin", () => {
  expect(reached(4, seen({ columns: cells, past: [edit("agree", 1)] }))).toBe(4);
});

test("it stands where it stood, in its project alone", () => {
  expect(kept(7)).toBeNull();
  keep(7, 3);
  expect([kept(7), kept(8)]).toEqual([3, null]);
  keep(7, null);
  expect(kept(7)).toBeNull();
});
