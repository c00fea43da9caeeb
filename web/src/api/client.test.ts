import { expect, test } from "vitest";
import { ServiceFault } from "./client";

const invalid = (where: string, message: string) =>
  new ServiceFault(422, {
    code: "invalid",
    message: `expected a request as the API describes it; found ${where}: ${message}. Mend the fields that are named.`,
    fields: [{ where, message }],
  });

test("a form's reader is told the field and what is wrong with it", () => {
  const fault = invalid("body.name", "letters, digits and . _ @ + - only, without spaces");
  expect(fault.said({ name: "Signs in as" })).toBe("Signs in as: letters, digits and . _ @ + - only, without spaces.");
  expect(fault.text).toBe("Name: letters, digits and . _ @ + - only, without spaces.");
  expect(invalid("body.items.0.collected_at", "Field required").text).toBe("Collected at: Field required.");
});

test("other faults say what was expected and how to mend it", () => {
  const fault = new ServiceFault(409, { code: "in_the_way", message: "expected one; found two.", mend: "Take one." });
  expect(fault.said({ name: "Signs in as" })).toBe("Expected one; found two. Take one.");
});
