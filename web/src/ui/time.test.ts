import { expect, test } from "vitest";
import { ago } from "./time";

const now = Date.parse("2026-11-24T12:00:00Z");

test.each([
  ["2026-11-24T11:59:40Z", "just now"],
  ["2026-11-24T11:58:30Z", "1 minute ago"],
  ["2026-11-24T09:10:00Z", "2 hours ago"],
  ["2026-11-23T11:00:00Z", "yesterday"],
])("%s is %s", (moment, said) => {
  expect(ago(moment, now)).toBe(said);
});
