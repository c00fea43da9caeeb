/** The worklist: what a case still wants, in what order, and which one is next. */

import type { CaseShown } from "../api/schema";

export type Sorting = "age" | "key" | "cells" | "reviewed" | "flags" | "blasts" | "state" | "assigned";

export const STATES: Record<CaseShown["state"], string> = {
  new: "new",
  in_review: "in review",
  signed: "signed",
  amended: "amended",
};

/** How far a case is, in words: a record that waits for its second signature says so. */
export function stateOf({ state, version, second_wanted }: CaseShown): string {
  const said = version > 1 ? `${STATES[state]}, version ${version}` : STATES[state];
  return state === "signed" && second_wanted ? `${said}, second signer wanted` : said;
}

const ORDER: CaseShown["state"][] = ["amended", "in_review", "new", "signed"];

/** Share of the cells that a person has looked at; unsure is looked at. */
export function reviewed(one: CaseShown): number {
  return one.counted ? (one.labelled + one.unsure) / one.counted : 0;
}

/** What a rule of signing asks for, in the few words that a row has room for. */
const ASKS: Record<CaseShown["rules_fired"][number]["level"], string> = {
  warn: "wants a look",
  reason: "wants a reason",
  second: "wants a second signer",
  block: "stands in the way of signing",
};

/** Something that wants a look: in words, and whether it stands out. */
export interface Flag {
  text: string;
  grave: boolean;
}

/** What wants a look besides the review, what is most serious first; empty where nothing does. */
export function flags(one: CaseShown): Flag[] {
  const grave = [
    one.held_back ? "held back: scanner not known" : "",
    ...one.rules_fired.map(({ level, measured }) => `rule fired: ${measured}, ${ASKS[level]}`),
  ];
  const slight = [
    one.unsure ? `${one.unsure} unsure` : "",
    one.unusual ? `${one.unusual} unusual` : "",
    one.unreadable ? `${one.unreadable} not readable` : "",
    one.images > one.read ? `${one.images - one.read} being read` : "",
  ];
  return [...grave.map((text) => ({ text, grave: true })), ...slight.map((text) => ({ text, grave: false }))].filter(
    ({ text }) => text,
  );
}

const GRAVE = { block: 4, second: 3, reason: 2, warn: 1 };

/** How much wants a look: whether it is held back, the gravest rule it meets, then the cells. */
function wants(one: CaseShown): number {
  const rule = Math.max(0, ...one.rules_fired.map(({ level }) => GRAVE[level]));
  return 1e9 * (one.held_back ? 5 : rule) + one.unsure + one.unusual + one.unreadable;
}

/** Since when a case waits: since the specimen came in, where that is known. */
export function since(one: CaseShown): string {
  return one.received_at ?? one.created_at;
}

const by: Record<Sorting, (one: CaseShown, person: (user: number) => string) => number | string> = {
  age: (one) => Date.parse(since(one)),
  key: (one) => one.key,
  cells: (one) => one.images,
  reviewed: (one) => reviewed(one),
  flags: wants,
  blasts: (one) => one.blasts,
  state: (one) => ORDER.indexOf(one.state),
  assigned: (one, person) => (one.assigned_to === null ? "" : person(one.assigned_to)),
};

/** A column, and from which end its cases are listed. */
export interface Order {
  by: Sorting;
  descending: boolean;
}

/** The end that a column begins with: what wants most first. */
export const first = (by: Sorting): Order => ({ by, descending: ["cells", "flags", "blasts"].includes(by) });

/** What a press on a column's head makes of the order: that column, or its other direction. */
export const pressed = (now: Order, by: Sorting): Order =>
  now.by === by ? { by, descending: !now.descending } : first(by);

/** Cases in order; those that are alike, the one that waits longest first; nobody's last, whichever way people go. */
export function sorted(
  cases: readonly CaseShown[],
  { by: column, descending }: Order,
  person: (user: number) => string = String,
): CaseShown[] {
  const compared = (a: number | string, b: number | string) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  const nobody = (one: CaseShown) => Number(column === "assigned" && one.assigned_to === null);
  return [...cases].sort(
    (a, b) =>
      nobody(a) - nobody(b) ||
      (descending ? -1 : 1) * compared(by[column](a, person), by[column](b, person)) ||
      compared(by.age(a, person), by.age(b, person)),
  );
}

export interface Wanted {
  text: string;
  state: CaseShown["state"] | "open" | "any";
  /** Only those of this person, or those that are nobody's; null for all. */
  assignedTo: number | "nobody" | null;
}

export const ANY: Wanted = { text: "", state: "any", assignedTo: null };

/** The cases that fit: a text in key, accession or remark; a state (`open`: not signed); a person. */
export function filtered(cases: readonly CaseShown[], { text, state, assignedTo }: Wanted): CaseShown[] {
  const words = text.trim().toLowerCase();
  return cases.filter(
    (one) =>
      (!words || [one.key, one.accession, one.note].some((field) => field.toLowerCase().includes(words))) &&
      (state === "any" || (state === "open" ? one.state !== "signed" : one.state === state)) &&
      (assignedTo === null || one.assigned_to === (assignedTo === "nobody" ? null : assignedTo)),
  );
}

/** The case to review next: not signed, one's own before nobody's, never somebody else's; the longest waiting first. */
export function nextCase(
  cases: readonly CaseShown[],
  current: number | null,
  me: number | null,
): CaseShown | undefined {
  const open = sorted(cases, first("age")).filter(
    (one) => one.state !== "signed" && one.id !== current && one.images > 0,
  );
  return open.find((one) => one.assigned_to === me && me !== null) ?? open.find((one) => one.assigned_to === null);
}
