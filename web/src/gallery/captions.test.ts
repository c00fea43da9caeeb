// @vitest-environment node
import { expect, test } from "vitest";
import { briefly, nameOfCell, roomFor } from "./captions";

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

const CELL = {
  image: 8,
  bin: "Monocyte",
  reading: "Monocyte",
  certainty: "61%",
  whose: undefined,
  unusual: false,
  outside: false,
  tags: undefined,
};

test.each([
  [{}, "Cell 8, Monocyte, read by model, 61%"],
  [{ bin: "Unusual", unusual: true }, "Cell 8, Unusual, read by model as Monocyte, 61%"],
  [{ unusual: true, certainty: "" }, "Cell 8, Monocyte, read by model, unusual"],
  [{ whose: "yours" }, "Cell 8, Monocyte, labelled, yours"],
  [{ whose: "Bela", bin: "Blast" }, "Cell 8, Blast, labelled, Bela, read by model as Monocyte"],
  [{ reading: undefined, certainty: "" }, "Cell 8, Monocyte, not read"],
  [
    { outside: true, tags: ["a", "b"] },
    "Cell 8, Monocyte, read by model, 61%, not among the counted cells, tagged a, b",
  ],
])("a cell is called by its type and state", (given, name) => {
  expect(nameOfCell({ ...CELL, ...given })).toBe(name);
});
