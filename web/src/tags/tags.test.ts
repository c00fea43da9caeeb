import { expect, test } from "vitest";
import { taggedOf, toggled, worn } from "./queries";

const TAGS = [
  { name: "ask Amina", images: [1, 2, 3] },
  { name: "Auer rod", images: [3] },
];

test("each cell has its tags, in the order of the list", () => {
  expect([...taggedOf(TAGS)]).toEqual([
    [1, ["ask Amina"]],
    [2, ["ask Amina"]],
    [3, ["ask Amina", "Auer rod"]],
  ]);
});

test("a tag that all of the cells have comes off, else it goes on", () => {
  expect(worn(TAGS[0]!, [1, 2])).toBe("all");
  expect(worn(TAGS[1]!, [1, 3])).toBe("some");
  expect(worn(TAGS[1]!, [1, 2])).toBe("none");
  expect(toggled(TAGS, "ASK AMINA", [1, 2])).toBe(false);
  expect(toggled(TAGS, "Auer rod", [1, 3])).toBe(true);
  expect(toggled(TAGS, "new", [1])).toBe(true);
});
