/** Words and steps of a search for a rare type. */

import type { SearchShown } from "../api/schema";

/** Shares that are asked about: below which of them a type is as good as absent depends on the question. */
export const SHARES = [0.001, 0.005, 0.01, 0.02, 0.05];

export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))}%`;

/** What the next cells are, in a line over the picture. */
export function lead(state: SearchShown): string {
  if (!state.items.length) return "Every cell was looked at";
  return state.way === "ranked"
    ? `Likeliest first · ${state.ranked_found} found`
    : `Drawn at random from the rest, to tell what was missed · ${state.random_found} found`;
}

/** How far the looks have come on the way to the answer, 0 to 1; null where nobody can say. */
export function progress(state: SearchShown): number | null {
  if (state.decided !== null) return 1;
  if (state.way === "ranked" || state.further === null) return null;
  return state.random / Math.max(1, state.random + state.further);
}
