// @vitest-environment node
import { expect, test } from "vitest";
import type { SigningRule } from "../api/schema";
import { limitOf, newRule, shownLimit, subjectOf, withRule, withSubject } from "./rules";

test("shares are written in percent, erythroblasts for a hundred leukocytes as they are", () => {
  const share: SigningRule = { measure: "type", label: "blast", at_least: 0.07, level: "second" };
  expect(shownLimit(share)).toBe(7);
  expect(limitOf("type", 7)).toBeCloseTo(0.07);
  const red: SigningRule = { measure: "erythroblasts", label: null, at_least: 5, level: "warn" };
  expect([shownLimit(red), limitOf("erythroblasts", 5)]).toEqual([5, 5]);
});

test("a rule on a type names one, and no other rule does", () => {
  const rule = newRule("blast");
  expect(subjectOf(rule)).toBe("type blast");
  expect(withSubject(rule, "unusual")).toEqual({ ...rule, measure: "unusual", label: null });
  expect(withSubject(rule, "type band_neutrophil").label).toBe("band_neutrophil");
  const many = withSubject({ ...rule, measure: "erythroblasts", label: null, at_least: 5 }, "type ig");
  expect(many.at_least).toBe(1);
});

test("rules are changed, added and taken away by their place", () => {
  const none = withRule({ rules: [] } as never, 0, newRule("blast"));
  expect(none.rules).toHaveLength(1);
  expect(withRule(none, 0, newRule("ig")).rules?.[0]?.label).toBe("ig");
  expect(withRule(none, 0, null).rules).toEqual([]);
});
