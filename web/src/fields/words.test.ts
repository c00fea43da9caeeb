// @vitest-environment node
import { expect, test } from "vitest";
import { countWords, finderWords, fitWords, placeOf, stepped } from "./words";

const FIELD = { width: 1440, height: 900, red_cell_px: 80 };

test("what was found, added and removed", () => {
  expect(countWords({ cells: 1, added: 0, removed: 0, seen_again: 0, uncounted: 0 })).toBe("1 white cell");
  expect(countWords({ cells: 4, added: 1, removed: 2, seen_again: 3, uncounted: 5 })).toBe(
    "4 white cells, 1 added, 2 removed, 3 counted in another field, 5 not counted",
  );
});

test("what the search missed is known only of fields that were looked at as a whole", () => {
  const counts = { fields: 40, checked: 12, cells: 120, missed: 2, false_cells: 3, least: 0.5 };
  expect(finderWords(counts)).toBe("The search missed 2 of 120, false 3, in 12 fields that were looked at as a whole.");
  expect(finderWords({ ...counts, checked: 0 })).toContain("unknown");
});

test("what fitting the search came to, moved or not", () => {
  const fit = {
    fields: 40,
    before: 0.5,
    least: 0.3,
    missed_before: 14,
    false_before: 2,
    missed: 3,
    false_cells: 4,
    mended: 11,
    spoilt: 2,
    chance: 0.01,
  };
  expect(fitWords(fit)).toContain("from a score of 0.30 instead of 0.50. In 40 fields: missed 3 instead of 14");
  expect(fitWords({ ...fit, least: 0.5 })).toBe(
    "The score stays 0.50: in 40 fields no other is better beyond chance (mends 11, spoils 2).",
  );
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
