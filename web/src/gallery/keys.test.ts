import { expect, test } from "vitest";
import { MARKS } from "../columns/made";
import { elsewhere, type Meaning, meaning } from "./keys";

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
  ["q", {}, null],
  ["n", { ctrlKey: true }, null],
  ["ArrowLeft", { altKey: true }, null],
  ["F5", {}, null],
])("%s with %o", (key, held, said) => {
  expect(press(key, held)).toEqual(said);
});

test("what is typed into a field is no command, a slider or a box is no field", () => {
  document.body.innerHTML = `<input id=a><textarea id=b></textarea><input type=range id=c><button id=d></button>
    <div role=dialog><button id=e></button></div><input type=checkbox id=f>`;
  const at = (id: string) => elsewhere(document.getElementById(id));
  expect(["a", "b", "c", "d", "e", "f"].map(at)).toEqual([true, true, false, false, true, false]);
});
