import { expect, test } from "vitest";
import { countWords, finderWords, placeOf, stepped } from "./words";

const FIELD = { width: 1440, height: 900, red_cell_px: 80 };

test("what was found, added and removed", () => {
  expect(countWords({ cells: 1, added: 0, removed: 0 })).toBe("1 white cell");
  expect(countWords({ cells: 4, added: 1, removed: 2 })).toBe("4 white cells, 1 added, 2 removed");
});

test("what the search missed is known only of fields that were looked at as a whole", () => {
  const counts = { fields: 40, checked: 12, cells: 120, missed: 2, false_cells: 3 };
  expect(finderWords(counts)).toBe("The search missed 2 of 120, false 3, in 12 fields that were looked at as a whole.");
  expect(finderWords({ ...counts, checked: 0 })).toContain("unknown");
});

test("a click falls on the field's own pixels, and never beside it", () => {
  const shown = { left: 100, top: 50, width: 720, height: 450 };
  expect(placeOf({ clientX: 460, clientY: 275 }, shown, FIELD)).toEqual({ x: 720, y: 450 });
  expect(placeOf({ clientX: 900, clientY: 20 }, shown, FIELD)).toEqual({ x: 1439, y: 0 });
});

test("arrow keys move the cross by half a red cell from the middle, within the field", () => {
  expect(stepped(null, "ArrowRight", false, FIELD)).toEqual({ x: 760, y: 450 });
  expect(stepped({ x: 4, y: 450 }, "ArrowLeft", true, FIELD)).toEqual({ x: 0, y: 450 });
  expect(stepped({ x: 4, y: 450 }, "a", false, FIELD)).toBeNull();
});
