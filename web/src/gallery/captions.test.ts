// @vitest-environment node
import { expect, test } from "vitest";
import { briefly, roomFor } from "./captions";

test.each([
  ["Bela Novak", 20, "Bela Novak"],
  ["Prof. Bela Zimmermann-Novak", 24, "P. B. Zimmermann-Novak"],
  ["Prof. Bela Zimmermann-Novak", 7, "PBZN"],
  ["Amina", 3, "A"],
  ["王小明", 3, "王小明"],
])("%s in %d letters is %s", (name, room, said) => {
  expect(briefly(name, room)).toBe(said);
});

test("a larger crop has room for more", () => {
  let last = 0;
  for (let size = 64; size <= 160; size += 8) {
    expect(roomFor(size)).toBeGreaterThanOrEqual(last);
    last = roomFor(size);
  }
  expect(roomFor(64)).toBeGreaterThanOrEqual(5);
});
