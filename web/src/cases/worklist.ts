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

/** What wants a look besides the review, in words; empty where nothing does. */
export function flags(one: CaseShown): string[] {
  return [
    one.unsure ? `${one.unsure} unsure` : "",
    one.unusual ? `${one.unusual} unusual` : "",
    one.unreadable ? `${one.unreadable} not readable` : "",
    one.images > one.read ? `${one.images - one.read} being read` : "",
  ].filter(Boolean);
}

/** Since when a case waits: since the specimen came in, where that is known. */
export function since(one: CaseShown): string {
  return one.received_at ?? one.created_at;
}

const by: Record<Sorting, (one: CaseShown, person: (user: number) => string) => number | string> = {
  age: (one) => Date.parse(since(one)),
  key: (one) => one.key,
  cells: (one) => -one.images,
  reviewed: (one) => reviewed(one),
  flags: (one) => -(one.unsure + one.unusual + one.unreadable),
  blasts: (one) => -one.blasts,
  state: (one) => ORDER.indexOf(one.state),
  // Nobody's cases come last.
  assigned: (one, person) => (one.assigned_to === null ? "\uffff" : person(one.assigned_to)),
};

/** Cases in order; those that are alike, the one that waits longest first. */
export function sorted(
  cases: readonly CaseShown[],
  sorting: Sorting,
  person: (user: number) => string = String,
): CaseShown[] {
  const order = (a: number | string, b: number | string) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  return [...cases].sort(
    (a, b) => order(by[sorting](a, person), by[sorting](b, person)) || order(by.age(a, person), by.age(b, person)),
  );
}

export interface Wanted {
  text: string;
  state: CaseShown["state"] | "open" | "any";
  /** Only those of this person; null for everybody's. */
  assignedTo: number | null;
}

export const ANY: Wanted = { text: "", state: "any", assignedTo: null };

/** The cases that fit: a text in key, accession or remark; a state (`open`: not signed); a person. */
export function filtered(cases: readonly CaseShown[], { text, state, assignedTo }: Wanted): CaseShown[] {
  const words = text.trim().toLowerCase();
  return cases.filter(
    (one) =>
      (!words || [one.key, one.accession, one.note].some((field) => field.toLowerCase().includes(words))) &&
      (state === "any" || (state === "open" ? one.state !== "signed" : one.state === state)) &&
      (assignedTo === null || one.assigned_to === assignedTo),
  );
}

/** The case to review next: not signed, one's own before nobody's, never somebody else's; the longest waiting first. */
export function nextCase(
  cases: readonly CaseShown[],
  current: number | null,
  me: number | null,
): CaseShown | undefined {
  const open = sorted(cases, "age").filter((one) => one.state !== "signed" && one.id !== current && one.images > 0);
  return open.find((one) => one.assigned_to === me && me !== null) ?? open.find((one) => one.assigned_to === null);
}
