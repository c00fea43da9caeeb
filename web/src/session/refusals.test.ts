import { describe, expect, it } from "vitest";
import { refusal } from "./refusals";
import { within } from "./SignIn";

describe("what the sign-in screen says of a refusal", () => {
  it("has a sentence for each reason of the service, and none for anything else", () => {
    for (const why of ["again", "provider", "token", "group", "name", "inactive", "taken"]) {
      expect(refusal(why)).toMatch(/\.$/);
    }
    for (const made of [null, "", "toString", "<b>evil</b>"]) expect(refusal(made)).toBeUndefined();
  });
});

describe("where one goes after signing in", () => {
  it("is a path of this page", () => {
    expect(within("/projects/3?x=1")).toBe("/projects/3?x=1");
    for (const elsewhere of [null, "//evil.example", "https://evil.example", "/\\evil.example"]) {
      expect(within(elsewhere)).toBe("/projects");
    }
  });
});
