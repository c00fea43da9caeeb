import { expect, test } from "vitest";
import { query } from "./AuditLog";

const none = { user: "", action: "", since: "", until: "" };

test("what is not chosen is not asked for", () => {
  expect(query(none)).toEqual({
    project: undefined,
    user: undefined,
    action: undefined,
    since: undefined,
    until: undefined,
  });
});

test("the last day is included, from midnight to midnight where the reader is", () => {
  const asked = query({ ...none, user: "3", action: "case", since: "2026-03-01", until: "2026-03-01" }, 7);
  expect(asked).toMatchObject({ project: 7, user: 3, action: "case" });
  expect(Date.parse(asked.since!)).toBe(new Date(2026, 2, 1).getTime());
  expect(Date.parse(asked.until!)).toBe(new Date(2026, 2, 2).getTime());
});
