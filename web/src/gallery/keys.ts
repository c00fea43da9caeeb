/** What a key means at the desk. Types have the keys of their letters; the rest is fixed. */

import type { ClassShown as Mark } from "../api/schema";
import { inUse } from "../columns/columns";
import type { Step } from "./layout";

export type Meaning =
  | { do: "label"; label: string | null }
  | { do: "agree" | "undo" | "redo" | "all" | "none" | "toggle" | "heat" | "search" | "keys" | "bigger" | "smaller" }
  | { do: "compare" | "tag" | "tag-again" }
  | { do: "step"; step: Step; extend: boolean };

export interface Pressed {
  key: string;
  /** The key's place on the keyboard, whatever the layout writes there: "KeyN". */
  code?: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

const STEPS: Record<string, Step> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "first",
  End: "last",
};

const PLAIN: Record<string, Meaning> = {
  Enter: { do: "agree" },
  Escape: { do: "none" },
  " ": { do: "toggle" },
  "/": { do: "search" },
  F1: { do: "keys" },
  "+": { do: "bigger" },
  "-": { do: "smaller" },
  "=": { do: "compare" },
  ".": { do: "tag-again" },
  "?": { do: "label", label: "?" },
  Backspace: { do: "label", label: null },
  Delete: { do: "label", label: null },
};

/** Question marks and slashes of other scripts. */
const SIGNS: Record<string, string> = {
  "؟": "?",
  "？": "?",
  "\u037e": "?",
  "／": "/",
  "＝": "=",
  "＃": "#",
  "№": "#",
  "．": ".",
  "。": ".",
  "＋": "+",
  "－": "-",
};

/**
 * What a key press says in Latin letters and digits. Where the layout writes another script (Cyrillic, Greek, Hebrew,
 * Arabic, Thai ...) or an input method holds the key, the key's place decides: its letter is what stands on the key.
 */
export function latin({ key, code = "" }: Pick<Pressed, "key" | "code">): string {
  const sign = SIGNS[key];
  if (sign) return sign;
  const foreign =
    key === "Process" ||
    ([...key].length === 1 && /[\p{L}\p{M}\p{Nd}]/u.test(key) && !/[\p{Script=Latin}0-9]/u.test(key));
  if (!foreign) return key;
  const [, letter, digit] = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(code) ?? [];
  return letter?.toLowerCase() ?? digit ?? key;
}

/** The meaning of a key press, or null where the desk leaves it to the browser. */
export function meaning(pressed: Pressed, classes: readonly Mark[]): Meaning | null {
  const { shiftKey } = pressed;
  // A laboratory may have given a type a letter of its own script: that one is meant as it is written.
  const own = classes.some((mark) => mark.key.toUpperCase() === pressed.key.toUpperCase());
  const key = own ? pressed.key : latin(pressed);
  // Many layouts have this sign behind AltGr, which some systems tell as Ctrl and Alt, or behind Option.
  if (key === "#" && !pressed.metaKey && (pressed.altKey || !pressed.ctrlKey)) return { do: "tag" };
  if (pressed.altKey) return null;
  if (pressed.ctrlKey || pressed.metaKey) {
    const letter = key.toLowerCase();
    if (letter === "z") return { do: shiftKey ? "redo" : "undo" };
    if (letter === "y") return { do: "redo" };
    if (letter === "a") return { do: "all" };
    return null;
  }
  const step = STEPS[key];
  if (step) return { do: "step", step, extend: shiftKey };
  if (key === "Tab") return { do: "step", step: shiftKey ? "last-bin" : "next-bin", extend: false };
  const plain = PLAIN[key];
  if (plain) return plain;
  if (key.length !== 1) return null;
  const letter = key.toUpperCase();
  if (letter === "H") return { do: "heat" };
  const mark = inUse(classes).find((mark) => mark.key.toUpperCase() === letter);
  return mark ? { do: "label", label: mark.name } : null;
}

/** Whether a key press belongs to a field, a menu or a dialog rather than to the desk. */
export function elsewhere(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("[role=dialog], [role=menu], .dropdown-menu")) return true;
  return target.matches("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");
}

/** The fixed keys, for the help and the card that F1 opens. */
export const KEY_CARD: [string, string][] = [
  ["Enter", "agree with the model"],
  ["?", "unsure"],
  ["Backspace", "take your label back"],
  ["← → ↑ ↓", "next cell; with Shift, select on the way"],
  ["Tab", "next bin; with Shift, the one before"],
  ["Space", "select or leave out the cell"],
  ["Ctrl A", "select the bin"],
  ["Escape", "select nothing"],
  ["Ctrl Z", "undo; with Shift, do it again"],
  ["H", "where the model looked"],
  ["=", "compare side by side"],
  ["#", "put tags on what is selected, or take them off"],
  [".", "the last tag again: on, or off"],
  ["+ −", "larger or smaller crops"],
  ["/", "search"],
  ["1 2", "where somebody labelled the same cell: keep theirs, take yours"],
  ["F1", "these keys"],
];
