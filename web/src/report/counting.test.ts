import { expect, test } from "vitest";
import type { CellDraw } from "../api/schema";
import { drawnWords } from "./counting";

const draw: CellDraw = {
  method: "random",
  wanted: 200,
  seed: 77,
  met: 200,
  chosen: 213,
  pool: 1520,
  unfair: 61,
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
  expect(words).not.toContain("anew");
});

test("says where the film has fewer, and why it was drawn anew", () => {
  const words = drawnWords({ ...draw, method: "battlement", met: 150, unfair: 0, reason: "Asked for a second time." });
  expect(words).toContain("field after field, from a drawn one: all there are, 150 of the 200 leukocytes");
  expect(words).toContain("Drawn anew: Asked for a second time.");
  expect(words).not.toContain("unfit");
});
