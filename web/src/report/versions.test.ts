// @vitest-environment node
import { expect, test } from "vitest";
import type { DifferentialShown, SignatureShown } from "../api/schema";
import { cellsOf, headline, quoted, shownFirst, versions, wantsSecond } from "./versions";

function signed(id: number, more: Partial<SignatureShown>): SignatureShown {
  return {
    id,
    case: 7,
    user: 1,
    name: "A. Adams",
    at: "2026-11-24T12:00:00Z",
    role: "first",
    note: "",
    reviewed_until: id,
    taught_until: id,
    bundle: 1,
    countersigns: null,
    version: 1,
    amends: null,
    reason: "",
    second_wanted: false,
    confirmed: "none",
    initials: "",
    checks: [],
    fingerprint: "ab",
    current: true,
    reads_otherwise: false,
    differential: {} as DifferentialShown,
    ...more,
  };
}

const ALL = [
  signed(1, { second_wanted: true }),
  signed(2, { role: "second", user: 2, name: "B. Baker", countersigns: 1 }),
  signed(3, { case: 8 }),
  signed(4, { version: 2, amends: 1, reason: "two blasts", second_wanted: true }),
];
const AMENDMENT = { reason: "once more", user: 2, name: "B. Baker", at: "2026-11-25T12:00:00Z" };

test("versions of one case, the newest first, each with its second signature", () => {
  const found = versions(ALL, 7);
  expect(found.map(({ version, first, second }) => [version, first.id, second?.id])).toEqual([
    [2, 4, undefined],
    [1, 1, 2],
  ]);
  expect(versions(ALL, 9)).toEqual([]);
});

test("the newest record is shown, but while it is amended what there is to sign", () => {
  expect(shownFirst(versions(ALL, 7), { amendment: null })).toBe(2);
  expect(shownFirst(versions(ALL, 7), { amendment: AMENDMENT })).toBe("now");
  expect(shownFirst([], { amendment: null })).toBe("now");
});

test("the head says what is so", () => {
  const all = versions(ALL, 7);
  const say = (showing: number | "now", amendment: typeof AMENDMENT | null = null) =>
    headline(all, showing, { amendment, version: 2 });
  expect(headline([], "now", undefined).text).toContain("Not signed");
  expect(say(2).text).toContain("It amends version 1: “two blasts”");
  expect(say(2).text).toContain("second signature is still wanted");
  expect(say(1).text).toContain("Second signature: B. Baker");
  expect(say(1).text).toContain("Version 2 has replaced it");
  expect(say("now").text).toContain("Not what was signed");
  expect(say("now", AMENDMENT).text).toContain("being amended by B. Baker");
  expect(say("now", AMENDMENT).text).toContain("once more");
});

test("a reason ends in one full stop", () => {
  expect([quoted("two blasts"), quoted("Two blasts.")]).toEqual(["“two blasts”.", "“Two blasts.”"]);
});

test("the second signer is another person, and only where one is wanted", () => {
  const all = versions(ALL, 7);
  expect([wantsSecond(all, 1), wantsSecond(all, 2)]).toEqual(["other", "wanted"]);
  expect(wantsSecond(all.slice(1), 2)).toBe("no");
  expect(wantsSecond(versions(ALL, 8), 2)).toBe("no");
});

test("cells of a record have the codes of the columns", () => {
  const cells = [
    { image: 3, label: "ig", predicted: "blast", probability: 0.7 },
    { image: 4, label: "?", predicted: null, probability: null },
    { image: 5, label: null, predicted: "ig", probability: 0.9, outside: true },
  ];
  expect(cellsOf(cells, [{ name: "blast" }, { name: "ig" }])).toEqual({
    id: [3, 4, 5],
    label: [1, 254, 255],
    predicted: [0, 255, 1],
    probability: [0.7, 0, 0.9],
    outside: [0, 0, 1],
  });
});
