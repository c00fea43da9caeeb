// @vitest-environment node
import { expect, test } from "vitest";
import type { CellDraw, CountingChoice } from "../api/schema";
import { choiceWords, drawnWords, inFields } from "./counting";

const draw: CellDraw = {
  method: "random",
  target_leukocytes: 200,
  seed: 77,
  first_field: null,
  counted_leukocytes: 200,
  counted_cells: 213,
  eligible_cells: 1520,
  cells_in_unfair_fields: 61,
  user: 1,
  name: "Bela Novak",
  at: "2026-03-02T09:00:00Z",
  reason: "",
};

test("says which cells count, and what makes the same order again", () => {
  const words = drawnWords(draw);
  expect(words).toContain("213 of 1,520 cells count, drawn at random until 200 leukocytes were met.");
  expect(words).toContain("61 in fields unfit for counting took no part.");
  expect(words).toContain("Seed 77, Bela Novak");
});

test("says where the film has fewer", () => {
  const words = drawnWords({ ...draw, method: "battlement", counted_leukocytes: 150, cells_in_unfair_fields: 0 });
  expect(words).toContain("field after field, from a drawn one: all there were, 150 of the 200 leukocytes");
  expect(words).not.toContain("unfit");
});

test("offers field after field where cells lie in fair fields", () => {
  expect(inFields([])).toBe(false);
  expect(
    inFields([
      { fair: false, cells: 4 },
      { fair: true, cells: 0 },
    ]),
  ).toBe(false);
  expect(
    inFields([
      { fair: false, cells: 4 },
      { fair: true, cells: 1 },
    ]),
  ).toBe(true);
});

test("says what was chosen before, why, and what was known then", () => {
  const choice: CountingChoice = {
    target_leukocytes: 100,
    method: "random",
    seed: 5,
    labelled_cells: 0,
    name: "Bela Novak",
    at: "2026-03-02T09:00:00Z",
    reason: "",
  };
  expect(choiceWords(choice)).toMatch(/^100 leukocytes at random: Bela Novak, .*, 0 cells labelled; no reason given$/);
  const all = { ...choice, target_leukocytes: null, method: null, labelled_cells: 1, reason: "Asked for all." };
  expect(choiceWords(all)).toMatch(/^All cells: Bela Novak, .*, 1 cell labelled; Asked for all\.$/);
});

test("says what became of the case since its cells were drawn", () => {
  expect(drawnWords(draw)).not.toMatch(/no more|since/);
  const words = drawnWords(draw, 1, 1300);
  expect(words).toContain("1 drawn cell is in the case no more. 1,300 came since, and count nowhere.");
  expect(words).toContain("Seed 77");
});
