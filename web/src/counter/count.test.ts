// @vitest-environment node
import { expect, test } from "vitest";
import { MARKS } from "../columns/made";
import { asText, counted, full, lines, pressed, read, START, takenBack } from "./count";

const beside = (name: string, counts: "apart" | "excluded") => ({ ...MARKS[0]!, name, title: name, counts });
const CLASSES = [...MARKS, beside("erythroblast", "apart"), beside("smudge", "apart"), beside("artefact", "excluded")];
const of = (...names: string[]) => names.reduce((count, name) => pressed(count, name, CLASSES), START);
const many = (name: string, times: number) => of(...Array.from({ length: times }, () => name));

test("it stops at its target, and goes on towards a larger one", () => {
  const hundred = many("neutrophil", 120);
  expect(hundred.cells).toHaveLength(100);
  expect(full(hundred, CLASSES)).toBe(true);
  expect(pressed(hundred, "erythroblast", CLASSES)).toBe(hundred);
  expect(pressed({ ...hundred, target: 200 }, "monocyte", CLASSES).cells).toHaveLength(101);
});

test("what the laboratory counts apart or not at all is counted beside the leukocytes", () => {
  const count = of("neutrophil", "erythroblast", "neutrophil", "lymphocyte", "artefact", "smudge", "neutrophil");
  expect(counted(count, CLASSES)).toBe(4);
  const found = Object.fromEntries(lines(count, CLASSES).map((line) => [line.mark.name, line]));
  expect(found.neutrophil).toMatchObject({ cells: 3, share: 0.75, per100: null });
  expect(found.erythroblast).toMatchObject({ cells: 1, share: null, per100: 25 });
  expect(found.smudge).toMatchObject({ cells: 1, share: null, per100: 25 });
  expect(found.artefact).toMatchObject({ cells: 1, share: null, per100: null });
});

test("the last key is taken back", () => {
  expect(takenBack(of("neutrophil", "monocyte")).cells).toEqual(["neutrophil"]);
  expect(takenBack(START).cells).toEqual([]);
});

test("as text it holds what was counted", () => {
  const found = lines(of("neutrophil", "neutrophil", "monocyte"), MARKS);
  expect(asText(found, 3)).toContain("Neutrophil\t2\t66.7%");
  expect(asText(found, 3)).toContain("Monocyte\t1\t33.3%");
});

test("what was kept is taken up, anything else begins anew", () => {
  const count = { ...of("neutrophil"), target: 200 };
  expect(read(JSON.stringify(count))).toEqual(count);
  for (const odd of [null, "", "{", '{"cells":[1],"target":100}', '{"cells":[],"target":7}'])
    expect(read(odd)).toBe(START);
});
