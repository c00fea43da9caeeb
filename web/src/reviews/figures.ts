/** How the review of reviews writes its numbers, and the moments its days begin and end. */

const percent = (share: number) => `${Math.round(100 * share)}%`;

/** A share with its interval and what it is of: "90% (70 to 97) of 20"; nothing to say of nothing. */
export function ofSecond(one: {
  agreed: number | null;
  low: number | null;
  high: number | null;
  second: number;
}): string {
  if (one.agreed === null || one.low === null || one.high === null) return "–";
  return `${percent(one.agreed)} (${Math.round(100 * one.low)} to ${Math.round(100 * one.high)}) of ${one.second}`;
}

/** A part of a whole: "9 (8%)". */
export function part(count: number, of: number): string {
  return of ? `${count.toLocaleString("en")} (${percent(count / of)})` : "–";
}

/** Kappa with its interval: "0.81 (0.62 to 1.00)". */
export function kappa(one: { kappa: number | null; low: number | null; high: number | null }): string {
  if (one.kappa === null || one.low === null || one.high === null) return "–";
  return `${one.kappa.toFixed(2)} (${one.low.toFixed(2)} to ${one.high.toFixed(2)})`;
}

/** The midnight that begins a day of the reader's, some days later; undefined for no day. */
export function midnight(day: string, later = 0): string | undefined {
  if (!day) return undefined;
  const moment = new Date(`${day}T00:00:00`);
  moment.setDate(moment.getDate() + later);
  return moment.toISOString();
}
