import { expect, test } from "vitest";
import { MARKS } from "../columns/made";
import { elsewhere, latin, type Meaning, meaning } from "./keys";

const plain = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
const press = (key: string, held: Partial<typeof plain> = {}) => meaning({ key, ...plain, ...held }, MARKS);

test.each<[string, Partial<typeof plain>, Meaning | null]>([
  ["n", {}, { do: "label", label: "neutrophil" }],
  ["M", { shiftKey: true }, { do: "label", label: "monocyte" }],
  ["?", { shiftKey: true }, { do: "label", label: "?" }],
  ["Backspace", {}, { do: "label", label: null }],
  ["Enter", {}, { do: "agree" }],
  ["z", { ctrlKey: true }, { do: "undo" }],
  ["Z", { metaKey: true, shiftKey: true }, { do: "redo" }],
  ["y", { ctrlKey: true }, { do: "redo" }],
  ["ArrowDown", { shiftKey: true }, { do: "step", step: "down", extend: true }],
  ["Tab", {}, { do: "step", step: "next-bin", extend: false }],
  ["Tab", { shiftKey: true }, { do: "step", step: "last-bin", extend: false }],
  ["h", {}, { do: "heat" }],
  ["#", { shiftKey: true }, { do: "tag" }],
  ["#", { altKey: true }, { do: "tag" }],
  ["#", { altKey: true, ctrlKey: true }, { do: "tag" }],
  ["№", { shiftKey: true }, { do: "tag" }],
  [".", {}, { do: "tag-again" }],
  ["q", {}, null],
  ["n", { ctrlKey: true }, null],
  ["ArrowLeft", { altKey: true }, null],
  ["F5", {}, null],
])("%s with %o", (key, held, said) => {
  expect(press(key, held)).toEqual(said);
});

test.each([
  ["т", "KeyN", "n"],
  ["Т", "KeyN", "n"],
  ["ν", "KeyN", "n"],
  ["מ", "KeyN", "n"],
  ["ى", "KeyN", "n"],
  ["ื", "KeyN", "n"],
  ["Process", "KeyN", "n"],
  ["١", "Digit1", "1"],
  ["۲", "Numpad2", "2"],
  ["؟", "Slash", "?"],
  ["n", "KeyB", "n"], // Dvorak: what is written counts, not where
  ["é", "Digit2", "é"],
  ["ö", "Semicolon", "ö"],
  ["Enter", "Enter", "Enter"],
  ["ж", "Semicolon", "ж"],
])("%s on %s is %s", (key, code, said) => {
  expect(latin({ key, code })).toBe(said);
});

test("letters and undo work on a keyboard of another script", () => {
  expect(meaning({ key: "т", code: "KeyN", ...plain }, MARKS)).toEqual({ do: "label", label: "neutrophil" });
  expect(meaning({ key: "я", code: "KeyZ", ...plain, ctrlKey: true }, MARKS)).toEqual({ do: "undo" });
  expect(meaning({ key: "Я", code: "KeyZ", ...plain, ctrlKey: true, shiftKey: true }, MARKS)).toEqual({ do: "redo" });
});

test("a type's key in another script is meant as it is written", () => {
  const marks = [...MARKS, { ...MARKS[0]!, name: "band", key: "Т" }];
  expect(meaning({ key: "т", code: "KeyN", ...plain }, marks)).toEqual({ do: "label", label: "band" });
});

test("what is typed into a field is no command, a slider or a box is no field", () => {
  document.body.innerHTML = `<input id=a><textarea id=b></textarea><input type=range id=c><button id=d></button>
    <div role=dialog><button id=e></button></div><input type=checkbox id=f>`;
  const at = (id: string) => elsewhere(document.getElementById(id));
  expect(["a", "b", "c", "d", "e", "f"].map(at)).toEqual([true, true, false, false, true, false]);
});
