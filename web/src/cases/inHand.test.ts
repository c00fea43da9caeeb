// @vitest-environment node
import { describe, expect, test } from "vitest";
import { nameOf, resolved, searchOf, WITHOUT } from "./inHand";

const two = {
  cases: [
    { id: 7, key: "A" },
    { id: 8, key: "B" },
  ],
  without: 0,
};
const one = { cases: [{ id: 7, key: "A" }], without: 0 };
const none = { cases: [], without: 12 };

describe("the case in hand", () => {
  test("is the one in the address", () => {
    expect(resolved("8", two)).toBe(8);
    expect(resolved("all", two)).toBeNull();
    expect(resolved("none", { ...two, without: 3 })).toBe(WITHOUT);
  });

  test("has to be chosen where there are several, and where the address names none that is there", () => {
    for (const param of [null, "9", "none", "x", "0", "-1"]) expect(resolved(param, two), `${param}`).toBeUndefined();
    expect(resolved(null, { ...one, without: 3 })).toBeUndefined();
  });

  test("is the only one, and all cells where there are no cases", () => {
    expect(resolved(null, one)).toBe(7);
    expect(resolved("7", none)).toBeNull();
    expect(resolved(null, none)).toBeNull();
  });

  test("stays on a way whose address does not name it", () => {
    expect(resolved(null, two, { inHand: 8, chosen: true })).toBe(8);
    expect(resolved(null, two, { inHand: null, chosen: true })).toBeNull();
    expect(resolved(null, two, { inHand: 9, chosen: true })).toBeUndefined();
  });

  test("is what lay on the table before the first case came", () => {
    expect(resolved(null, { ...one, without: 12 }, { inHand: null, chosen: false })).toBe(WITHOUT);
    expect(resolved(null, one, { inHand: null, chosen: false })).toBe(7);
  });

  test("comes back from the address it is written in", () => {
    const known = { ...two, without: 3 };
    for (const inHand of [7, 8, WITHOUT, null]) {
      const param = new URLSearchParams(searchOf(inHand, known.cases)).get("case");
      expect(resolved(param, known)).toBe(inHand);
    }
    expect(searchOf(null, [])).toBe("");
    expect(nameOf(8, two.cases)).toBe("B");
  });
});
