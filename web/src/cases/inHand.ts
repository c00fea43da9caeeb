/** Which case is in hand: the address says it, so that it survives a reload and can be sent to somebody else. */

/** A case's number, {@link WITHOUT} for the cells of no case, null for all cells of the project. */
export type CaseInHand = number | null;
/** The cells of no case; the API has the same number for them. */
export const WITHOUT = 0;

export interface Known {
  cases: readonly { id: number; key: string }[];
  /** Cells of no case. */
  without: number;
}

/** What was in hand before; `chosen` is false where all cells were shown only because there were no cases. */
export interface Before {
  inHand: CaseInHand;
  chosen: boolean;
}

/** The case that the address asks for; undefined where somebody has to choose one. */
export function resolved(param: string | null, { cases, without }: Known, before?: Before): CaseInHand | undefined {
  if (!cases.length) return null;
  const has = (id: number) => (id === WITHOUT ? without > 0 : cases.some((one) => one.id === id));
  if (param === "all") return null;
  if (param === "none") return without > 0 ? WITHOUT : undefined;
  if (param !== null) return has(Number(param)) ? Number(param) : undefined;
  if (before?.chosen && (before.inHand === null || has(before.inHand))) return before.inHand;
  // The project had no cases until now: its first cells stay on the table.
  if (before && !before.chosen && without > 0) return WITHOUT;
  return cases.length === 1 && !without ? cases[0]!.id : undefined;
}

/** How the address says it; empty for a project without cases. */
export function searchOf(inHand: CaseInHand, cases: Known["cases"]): string {
  if (!cases.length) return "";
  return `?case=${inHand === null ? "all" : inHand === WITHOUT ? "none" : inHand}`;
}

/** What a case is called. */
export function nameOf(inHand: CaseInHand, cases: Known["cases"]): string {
  if (inHand === null) return "All cases";
  if (inHand === WITHOUT) return "Cells without a case";
  return cases.find(({ id }) => id === inHand)?.key ?? `case ${inHand}`;
}
