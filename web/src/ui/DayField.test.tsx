import { fireEvent, render } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { DayField, isDay } from "./DayField";

test.each([
  ["2026-11-27", "day", true],
  ["2026-02-31", "day", false],
  ["27.11.2026", "day", false],
  ["٢٠٢٦-١١-٢٧", "day", false],
  ["2026-11-27 08:30", "minute", true],
  ["2026-11-27 24:30", "minute", false],
  ["2026-11-27", "minute", false],
] as const)("%s as a %s: %s", (text, exact, is) => {
  expect(isDay(text, exact)).toBe(is);
});

test("half a day changes nothing, an empty field takes the day back", () => {
  const change = vi.fn();
  const { getByLabelText } = render(<DayField label="From" value="" change={change} />);
  const field = getByLabelText("From");
  fireEvent.change(field, { target: { value: "2026-1" } });
  expect(change).not.toHaveBeenCalled();
  expect(field.getAttribute("aria-invalid")).toBe("true");
  fireEvent.change(field, { target: { value: "2026-11-27" } });
  fireEvent.change(field, { target: { value: "" } });
  expect(change.mock.calls).toEqual([["2026-11-27"], [""]]);
});
