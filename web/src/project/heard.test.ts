import { expect, test } from "vitest";
import { type Heard, heard } from "./heard";
import type { LabelEdit, TagEdit } from "./state";

const CLASSES = [
  { name: "monocyte", title: "Monocyte" },
  { name: "blast", title: "Blast" },
];
const NOW: Heard = { past: [], future: [], conflicts: 0, selected: 1, case: 1 };

const edit = (kind: LabelEdit["kind"], ...items: [number, string | null][]): LabelEdit => ({
  kind,
  labelSet: "cell_type",
  items: items.map(([image, after]) => ({ image, before: null, after })),
  records: [],
});
const tag = (on: boolean): TagEdit => ({ kind: "tag", tag: "ask Amina", on, items: [{ image: 7 }], records: [] });

test.each([
  [edit("set", [7, "monocyte"]), "Cell 7: labelled Monocyte"],
  [edit("set", [7, "?"]), "Cell 7: labelled unsure"],
  [edit("clear", [7, null]), "Cell 7: label taken back"],
  [edit("agree", [7, "monocyte"], [8, "monocyte"]), "2 cells: labelled Monocyte"],
  [edit("agree", [7, "monocyte"], [8, "blast"]), "2 cells: agreed with the model"],
  [tag(true), "Cell 7: tagged ask Amina"],
  [tag(false), "Cell 7: tag ask Amina taken off"],
])("what was done is said, and that it was undone or done again", (done, said) => {
  const after = { ...NOW, past: [done] };
  expect(heard(NOW, after, CLASSES)).toBe(said);
  const undone = { ...NOW, future: [done] };
  expect(heard(after, undone, CLASSES)).toBe(`Undone: ${said}`);
  expect(heard(undone, after, CLASSES)).toBe(`Done again: ${said}`);
});

test("what another case had done, and what was refused, is not said", () => {
  const done = edit("set", [7, "monocyte"]);
  expect(heard(NOW, { ...NOW, case: 2, past: [done] }, CLASSES)).toBeNull();
  expect(heard({ ...NOW, past: [done] }, NOW, CLASSES)).toBeNull();
});

test("a conflict that ends, and how many cells are selected, are said", () => {
  expect(heard({ ...NOW, conflicts: 1 }, NOW, CLASSES)).toBe("The other label is kept");
  expect(heard({ ...NOW, conflicts: 3 }, NOW, CLASSES)).toBe("The other labels are kept");
  expect(heard(NOW, { ...NOW, selected: 8 }, CLASSES)).toBe("8 cells selected");
  expect(heard(NOW, NOW, CLASSES)).toBeNull();
});
