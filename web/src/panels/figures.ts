/** Figures of a panel as a reader reads them. */

import type { PanelShown } from "../api/schema";

interface Bounded {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** "0.82 [0.71, 0.93]"; empty where it says nothing. */
export function bounds(found: Bounded | null): string {
  if (found?.value === null || found?.value === undefined || Number.isNaN(found.value)) return "";
  const ends = found.low === null || found.high === null ? "" : ` [${found.low.toFixed(2)}, ${found.high.toFixed(2)}]`;
  return found.value.toFixed(2) + ends;
}

/** "1.8 s"; empty where nobody measured. */
export function seconds(ms: number | null): string {
  return ms === null ? "" : `${(ms / 1000).toFixed(1)} s`;
}

/** What was taken for another type, most frequent first. */
export function confused<Row extends { reference: string; said: string; count: number }>(rows: readonly Row[]): Row[] {
  return rows.filter(({ reference, said }) => reference !== said).sort((a, b) => b.count - a.count);
}

/** Times of readers, the cases in order and a case's readers together. */
export function byCase<Row extends { key: string; user: number }>(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => a.key.localeCompare(b.key, "en", { numeric: true }) || a.user - b.user);
}

/** What a reader of a panel is called. */
export const nameIn = (panel: PanelShown, user: number) =>
  panel.readers.find((one) => one.user === user)?.name ?? `person ${user}`;
