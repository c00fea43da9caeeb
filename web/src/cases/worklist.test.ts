// @vitest-environment node
import { describe, expect, test } from "vitest";
import type { CaseShown } from "../api/schema";
import { ANY, filtered, first, flags, nextCase, pressed, reviewed, type Sorting, sorted, stateOf } from "./worklist";

const made = (id: number, more: Partial<CaseShown> = {}): CaseShown => ({
  id,
  key: `S-${id}`,
  note: "",
  accession: "",
  collected_at: null,
  received_at: null,
  wbc: null,
  assigned_to: null,
  created_at: `2026-03-${String(id).padStart(2, "0")}T09:00:00Z`,
  images: 100,
  read: 100,
  counted: 100,
  labelled: 0,
  unsure: 0,
  unusual: 0,
  unreadable: 0,
  blasts: 0,
  held_back: false,
  rules_fired: [],
  state: "new",
  signed: false,
  signed_at: null,
  version: 0,
  second_wanted: false,
  ...more,
});
const ids = (cases: CaseShown[]) => cases.map(({ id }) => id);

describe("the worklist", () => {
  test("says what a case still wants", () => {
    const one = made(1, { labelled: 20, unsure: 5, unusual: 3, unreadable: 1, read: 98 });
    expect(reviewed(one)).toBe(0.25);
    const slight = ["5 unsure", "3 unusual", "1 not readable", "2 being read"];
    expect(flags(one)).toEqual(slight.map((text) => ({ text, grave: false })));
    expect(reviewed(made(2, { images: 0, counted: 0 }))).toBe(0);
    // Of a case of which 50 cells were drawn to be counted, half is reviewed.
    expect(reviewed(made(4, { counted: 50, labelled: 25 }))).toBe(0.5);
    expect(flags(made(3))).toEqual([]);
  });

  const measured = "Blast 2 cells, 2.0%";
  const rule = { level: "second" as const, count: 2, says: `${measured}, rule: 1% or more`, measured };

  test("says that a case is held back and which rules it meets, before anything else", () => {
    const one = made(1, { unsure: 5, held_back: true, rules_fired: [rule] });
    expect(flags(one)).toEqual([
      { text: "held back: scanner not known", grave: true },
      { text: "rule fired: Blast 2 cells, 2.0%, wants a second signer", grave: true },
      { text: "5 unsure", grave: false },
    ]);
    const cases = [
      made(2, { unusual: 90 }),
      made(3, { rules_fired: [{ ...rule, level: "warn" }] }),
      made(4, { rules_fired: [{ ...rule, level: "block" }], unsure: 1 }),
      made(5, { held_back: true }),
      made(6),
    ];
    expect(ids(sorted(cases, first("flags")))).toEqual([5, 4, 3, 2, 6]);
  });

  test("says which version is signed, and whether a second signer is waited for", () => {
    expect(stateOf(made(1, { state: "signed", version: 1 }))).toBe("signed");
    expect(stateOf(made(1, { state: "signed", version: 2 }))).toBe("signed, version 2");
    expect(stateOf(made(1, { state: "signed", version: 1, second_wanted: true }))).toBe("signed, second signer wanted");
    expect(stateOf(made(1, { state: "amended", version: 1, second_wanted: true }))).toBe("amended");
  });

  test("sorts by each column, and keeps the longest waiting first among equals", () => {
    const cases = [made(2, { blasts: 3 }), made(10), made(1), made(3, { received_at: "2026-02-01T00:00:00Z" })];
    const by = (column: Sorting) => ids(sorted(cases, first(column)));
    expect(by("age")).toEqual([3, 1, 2, 10]);
    expect(by("key")).toEqual([1, 2, 3, 10]);
    expect(by("blasts")).toEqual([2, 3, 1, 10]);
    const assigned = [made(1), made(2, { assigned_to: 8 }), made(3, { assigned_to: 9 })];
    expect(ids(sorted(assigned, first("assigned"), (user) => (user === 9 ? "Amina" : "Zoe")))).toEqual([3, 2, 1]);
    const states = [made(1, { state: "signed" }), made(2), made(3, { state: "amended" })];
    expect(ids(sorted(states, first("state")))).toEqual([3, 2, 1]);
  });

  test("turns a column round when its head is pressed again", () => {
    const cases = [made(1, { images: 5 }), made(2, { images: 9 }), made(3, { images: 9 })];
    const most = pressed(first("age"), "cells");
    expect(ids(sorted(cases, most))).toEqual([2, 3, 1]);
    const least = pressed(most, "cells");
    expect(ids(sorted(cases, least))).toEqual([1, 2, 3]);
    expect(pressed(least, "cells")).toEqual(most);
    expect(ids(sorted(cases, pressed(first("age"), "age")))).toEqual([3, 2, 1]);
    const people = [made(1), made(2, { assigned_to: 8 }), made(3, { assigned_to: 9 })];
    const back = pressed(first("assigned"), "assigned");
    expect(ids(sorted(people, back, (user) => (user === 9 ? "Amina" : "Zoe")))).toEqual([2, 3, 1]);
  });

  test("filters by text, state and person", () => {
    const cases = [
      made(1, { accession: "H26-77" }),
      made(2, { state: "signed", assigned_to: 4 }),
      made(3, { note: "Repeat smear", assigned_to: 4 }),
    ];
    expect(ids(filtered(cases, { ...ANY, text: "h26" }))).toEqual([1]);
    expect(ids(filtered(cases, { ...ANY, text: "repeat" }))).toEqual([3]);
    expect(ids(filtered(cases, { ...ANY, state: "open" }))).toEqual([1, 3]);
    expect(ids(filtered(cases, { ...ANY, state: "signed" }))).toEqual([2]);
    expect(ids(filtered(cases, { ...ANY, assignedTo: 4, state: "open" }))).toEqual([3]);
    expect(ids(filtered(cases, { ...ANY, assignedTo: 4 }))).toEqual([2, 3]);
    expect(ids(filtered(cases, { ...ANY, assignedTo: "nobody" }))).toEqual([1]);
  });
});

describe("the next case", () => {
  const cases = [
    made(1, { state: "signed", assigned_to: 4 }),
    made(2),
    made(3, { assigned_to: 4 }),
    made(4, { assigned_to: 5 }),
    made(5, { images: 0 }),
  ];

  test("is one's own before nobody's, and never another person's or an empty one", () => {
    expect(nextCase(cases, null, 4)?.id).toBe(3);
    expect(nextCase(cases, 3, 4)?.id).toBe(2);
    expect(nextCase(cases, 2, 9)).toBeUndefined();
  });

  test("passes over the signed, not over the amended", () => {
    expect(nextCase([made(1, { state: "signed" })], null, 4)).toBeUndefined();
    expect(nextCase([made(1, { state: "amended" })], null, 4)?.id).toBe(1);
  });
});
