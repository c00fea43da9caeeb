// @vitest-environment node
import { expect, test } from "vitest";
import {
  EMPTY,
  exemplified,
  missing,
  nameOf,
  renamed,
  requestOf,
  withClass,
  withoutClass,
  withoutExample,
} from "./draft";

const vacuoles = () => {
  let draft = { ...EMPTY, title: "Vacuoles" };
  draft = renamed(renamed(draft, 0, "With vacuoles"), 1, "Without") as typeof draft;
  return exemplified(exemplified(draft, 0, [3, 5]), 1, [8]);
};

test("a set of two classes with an example each can be made", () => {
  expect(missing(vacuoles())).toEqual([]);
  expect(requestOf(vacuoles())).toEqual({
    name: "vacuoles",
    title: "Vacuoles",
    classes: [
      { name: "with_vacuoles", title: "With vacuoles" },
      { name: "without", title: "Without" },
    ],
    examples: [
      { image: 3, label: "with_vacuoles" },
      { image: 5, label: "with_vacuoles" },
      { image: 8, label: "without" },
    ],
  });
});

test("a cell is an example of one class: the one it was put into last", () => {
  const draft = exemplified(vacuoles(), 1, [5, 5]);
  expect(draft.classes.map(({ examples }) => examples)).toEqual([[3], [8, 5]]);
  expect(withoutExample(draft, 5).classes.map(({ examples }) => examples)).toEqual([[3], [8]]);
});

test("what is missing is said", () => {
  expect(missing(EMPTY)).toEqual(["a name for the set", "a name for each class", "examples of 2 classes"]);
  expect(missing(renamed(vacuoles(), 1, "with VACUOLES"))).toEqual(["different names for the classes"]);
  expect(missing(withoutClass(vacuoles(), 0))).toEqual(["at least two classes"]);
  expect(missing(renamed(withClass(vacuoles()), 2, "Third"))).toEqual(["an example of one class"]);
});

test("names are plain, whatever the title", () => {
  expect(nameOf("  Dœhle bodies (±) ")).toBe("d_hle_bodies");
  expect(nameOf("Zellgröße")).toBe("zellgro_e");
});
