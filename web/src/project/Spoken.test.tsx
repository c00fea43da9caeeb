import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Spoken } from "./Spoken";
import type { LabelEdit } from "./state";

const EMPTY = {
  ...{ past: [] as LabelEdit[], future: [] as LabelEdit[], conflicts: [], selection: new Set<number>(), case: 1 },
  columns: { classes: [{ name: "monocyte", title: "Monocyte" }] },
};
let state = EMPTY;
vi.mock("./context", () => ({ useProjectState: (pick: (given: typeof state) => unknown) => pick(state) }));
afterEach(cleanup);

const labelled = (): LabelEdit => ({
  ...{ kind: "set", labelSet: "cell_type", records: [] },
  items: [{ image: 7, before: null, after: "monocyte" }],
});

test("a sentence that is said again changes the live region each time, so that it is read out each time", () => {
  state = EMPTY;
  const shown = render(<Spoken />);
  const texts = [1, 2, 3].map(() => {
    state = { ...state, past: [...state.past, labelled()] };
    shown.rerender(<Spoken />);
    return shown.container.textContent ?? "";
  });
  expect(texts.map((text) => text.trim())).toEqual(Array(3).fill("Cell 7: labelled Monocyte"));
  expect(texts[1]).not.toBe(texts[0]);
  expect(texts[2]).not.toBe(texts[1]);
});
