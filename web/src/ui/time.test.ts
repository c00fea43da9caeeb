// @vitest-environment node
import { describe, expect, it, test, vi } from "vitest";
import { ago, when } from "./time";

const now = Date.parse("2026-11-24T12:00:00Z");

test.each([
  ["2026-11-24T11:59:40Z", "just now"],
  ["2026-11-24T11:58:30Z", "1 minute ago"],
  ["2026-11-24T09:10:00Z", "2 hours ago"],
  ["2026-11-23T11:00:00Z", "yesterday"],
])("%s is %s", (moment, said) => {
  expect(ago(moment, now)).toBe(said);
});

describe("when", () => {
  it("names day, time and zone whatever the browser's language", () => {
    vi.spyOn(Date.prototype, "getTimezoneOffset").mockReturnValue(-540);
    expect(when("2026-11-27T02:13:00Z")).toMatch(/^2026-11-2[67] \d\d:\d\d UTC\+09:00$/);
    vi.spyOn(Date.prototype, "getTimezoneOffset").mockReturnValue(210);
    expect(when("2026-11-27T02:13:00Z")).toMatch(/ UTC-03:30$/);
    vi.spyOn(Date.prototype, "getTimezoneOffset").mockReturnValue(0);
    expect(when("2026-11-27T02:13:00Z")).toMatch(/ UTC$/);
  });
});

describe("the page's numbers", () => {
  it("are written in one language everywhere", () => {
    const sources = import.meta.glob<string>("../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });
    const asked = Object.entries(sources)
      .filter(([file]) => !file.includes(".test."))
      .flatMap(([file, text]) =>
        (text.match(/toLocale\w*\([^)]*\)|Intl\.\w+Format\([^)]*\)/g) ?? []).map((call) => [file, call]),
      );
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter(([, call]) => !/\("en"/.test(call!) && !/toLocale(Upper|Lower)Case/.test(call!))).toEqual([]);
  });
});
