/** Reference ranges as fields of a form: text in, numbers or nothing out. */

import type { ReferenceRange } from "../api/schema";

export type Side = "low" | "high" | "absolute_low" | "absolute_high";

/** What stands in a field. */
export function rangeOf(ranges: ReferenceRange[], label: string, side: Side): string {
  const value = ranges.find((one) => one.label === label)?.[side];
  return value === null || value === undefined ? "" : String(value);
}

/** Ranges with one side changed; a type without any side has no range. */
export function withRange(ranges: ReferenceRange[], label: string, side: Side, text: string): ReferenceRange[] {
  const none = { label, low: null, high: null, absolute_low: null, absolute_high: null };
  const before = ranges.find((one) => one.label === label) ?? none;
  const value = text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text);
  const changed = { ...before, [side]: value };
  const others = ranges.filter((one) => one.label !== label);
  const empty = [changed.low, changed.high, changed.absolute_low, changed.absolute_high].every((one) => one === null);
  if (empty) return others;
  const at = ranges.findIndex((one) => one.label === label);
  return at < 0 ? [...others, changed] : ranges.map((one, place) => (place === at ? changed : one));
}
