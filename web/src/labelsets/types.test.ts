import { expect, test } from "vitest";
import { inTree, inUse, ofCase } from "../columns/columns";
import { columnsOf, MARKS } from "../columns/made";
import { binNames } from "../gallery/arrangement";
import { meaning } from "../gallery/keys";
import { base64, LEAVE, said, unsettled } from "./importing";
import { edited, keyRefused, typeRequest, under } from "./types";

const band = { ...MARKS[0]!, name: "band", title: "Band", key: "A", parent: "neutrophil" };
const smudge = { ...MARKS[0]!, name: "smudge", title: "Smudge", key: "S", counts: "apart" as const };

test("finer types stand behind their own; what is retired or merged takes no label", () => {
  const classes = [...MARKS, { ...smudge, retired: true }, band, { ...band, name: "stab", merged_into: "band" }];
  expect(inTree(classes).map(({ name }) => name)).toEqual([
    "neutrophil",
    "band",
    "stab",
    "lymphocyte",
    "monocyte",
    "smudge",
  ]);
  expect(inUse(classes).map(({ name }) => name)).toEqual(["neutrophil", "lymphocyte", "monocyte", "band"]);
  const pressed = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
  expect(meaning({ ...pressed, key: "s" }, classes)).toBeNull();
  expect(meaning({ ...pressed, key: "a" }, classes)).toEqual({ do: "label", label: "band" });
  const bins = (counts: [number, number][]) => binNames(classes, new Map(counts)).map(({ title }) => title);
  expect(bins([])).toEqual(["Neutrophil", "Band", "Lymphocyte", "Monocyte", "Unsure"]);
  // As long as a cell is labelled so its bin is there, and takes none by dropping.
  expect(bins([[3, 1]])).toEqual(["Neutrophil", "Band", "Lymphocyte", "Monocyte", "Smudge", "Unsure"]);
  expect(binNames(classes, new Map([[3, 1]])).find(({ code }) => code === 3)?.label).toBeUndefined();
});

test("a key of another type, or of the heat map, is refused in words with those that are free", () => {
  const classes = [...MARKS, { ...smudge, retired: true }, band];
  expect(keyRefused(classes, "lymphocyte", "N")).toMatch(/^N is the key of Neutrophil: .* take one of B C D /);
  expect(keyRefused(classes, "lymphocyte", "H")).toMatch(/where the model looked/);
  expect(keyRefused(classes, "lymphocyte", "\u00e4")).toMatch(/a letter or a digit/);
  expect(keyRefused(classes, "lymphocyte", "S")).toBeNull(); // a retired type has none
  expect(keyRefused(classes, "lymphocyte", "L")).toBeNull();
  expect(keyRefused(classes, "neutrophil", "1")).toBeNull();
});

test("cells that a label set is not asked of are not on its table", () => {
  const columns = columnsOf([
    { id: 1, case: 7 },
    { id: 2, case: 7, asked: 0 },
    { id: 3, case: 8 },
  ]);
  expect([...ofCase(columns, 7).id]).toEqual([1]);
  expect([...ofCase(columns, null).id]).toEqual([1, 3]);
});

test("what is left to the service is left away", () => {
  const free = [{ light: "#111111", dark: "#eeeeee" }];
  const draft = { title: " Hairy cell ", key: "Y", counts: "in" as const, parent: "", colour: 0 };
  expect(typeRequest(draft, free)).toEqual({ title: "Hairy cell", key: "Y", counts: "in", colour: free[0] });
  expect(typeRequest({ ...draft, name: "hcl", parent: "lymphocyte" }, [])).toEqual({
    title: "Hairy cell",
    key: "Y",
    counts: "in",
    name: "hcl",
    parent: "lymphocyte",
  });
});

test("a change is sentence in a sentence", () => {
  const title = (name: string) => ({ band: "Band", neutrophil: "Neutrophil" })[name] ?? name;
  const sentence = (subject: Record<string, unknown>) => edited({ action: "type.change", subject }, title);
  expect(edited({ action: "type.add", subject: { type: "band", title: "Stab" } }, title)).toBe("added Stab");
  expect(sentence({ type: "band", title: "Stab", before: { title: "Band" } })).toBe("renamed Band to Stab");
  expect(sentence({ type: "band", merged_into: "neutrophil" })).toBe("merged Band into Neutrophil");
  expect(sentence({ type: "band", merged_into: null, before: { merged_into: "neutrophil" } })).toBe(
    "took Band apart from Neutrophil",
  );
  expect(sentence({ type: "band", retired: true })).toBe("retired Band");
  expect(sentence({ type: "band", counts: "apart" })).toBe("Band counts apart, per 100");
});

test("unknown labels wait for a word each", () => {
  const unknown = [{ label: "Segs" }, { label: "junk" }];
  expect(unsettled(unknown, { Segs: "" })).toEqual(["Segs", "junk"]);
  const means = { Segs: "neutrophil", junk: LEAVE };
  expect(unsettled(unknown, means)).toEqual([]);
  expect(said(means)).toEqual({ Segs: "neutrophil", junk: null });
  expect(atob(base64(new TextEncoder().encode("path,label").buffer as ArrayBuffer))).toBe("path,label");
});

test("a kind of a type counts as that type does, until somebody chooses otherwise", () => {
  const draft = { title: "Orthochromatic", key: "O", counts: "in" as const, parent: "", colour: 0 };
  const upper = [{ name: "erythroblast", counts: "apart" as const }];
  expect(under(draft, "erythroblast", upper)).toEqual({ ...draft, parent: "erythroblast", counts: "apart" });
  expect(under({ ...draft, counts: "excluded" }, "", upper).counts).toBe("excluded");
});
