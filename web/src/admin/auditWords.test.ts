// @vitest-environment node
import { expect, test } from "vitest";
import { ACTIONS, done, NOUNS, pieces } from "./auditWords";

const said = (subject: Record<string, unknown>) =>
  pieces(subject).map((piece) => (piece.kind === "text" ? piece.text : `<${piece.kind} ${piece.title ?? piece.id}>`));

test.each<[string, Record<string, unknown>, string[]]>([
  ["member.set", { user: 2, role: "reviewer", before: null }, ["<user 2>", "role reviewer", "before none"]],
  ["case.create", { key: "26-0412", case: 5 }, ["<case 26-0412>"]],
  ["upload.begin", { upload: 1, case: null }, ["upload 1", "no case"]],
  ["user.create", { user: 2, is_admin: false }, ["<user 2>", "is admin no"]],
  ["image.move", { case: 5, before: [{ image: 7, case: null }] }, ["<case 5>", "<image 7>"]],
  [
    "label.set",
    {
      request: "d7c1",
      kind: "set",
      labels: [
        { image: 1, label_set: "cell_type", label: "monocyte", version: 9 },
        { image: 2, label_set: "cell_type", label: "?", version: 10 },
        { image: 3, label_set: "cell_shape", label: "round", version: 11 },
      ],
    },
    ["<image 1>", "as monocyte", "<image 2>", "as unsure", "<image 3>", "as round (cell shape)"],
  ],
])("%s", (_action, subject, expected) => {
  expect(said(subject)).toEqual(expected);
});

test("many cells are counted, and nothing is shown as code", () => {
  const labels = Array.from({ length: 1200 }, (_, image) => ({
    image,
    label_set: "cell_type",
    label: "ig",
    version: 1,
  }));
  expect(said({ labels })).toEqual(["1,200 cells as ig"]);
  const odd = { classes: [{ name: "a", in: true }], limits: { low: 1, high: null }, names: ["x", "y"] };
  expect(said(odd).join(" ")).not.toMatch(/[{}[\]"]/);
});

test("the filter offers every kind of row once, in order", () => {
  const kinds = ["field", "panel", "profile", "report", "review", "search", "signing", "teaching"];
  expect(NOUNS).toEqual(expect.arrayContaining(kinds));
  expect(NOUNS).toEqual([...new Set(NOUNS)].sort());
  for (const action of Object.keys(ACTIONS)) expect(NOUNS).toContain(action.split(".")[0]);
});

test("an action without words of its own is said by its parts", () => {
  expect(done("signature.add")).toBe("signed a case");
  expect(done("label_set.retire_class")).toBe("label set retire class");
});
