/** How the cells that count were drawn, in words. */

import type { CellDraw } from "../api/schema";
import { when } from "../ui/time";

const WAYS: Record<CellDraw["method"], string> = {
  random: "at random",
  battlement: "field after field, from a drawn one",
};

/** As many leukocytes as may be asked for. */
export const SIZES = [100, 200, 400] as const;

/** What counts, how it was drawn and by whom; the seed makes the order again. */
export function drawnWords(draw: CellDraw): string {
  const { chosen, pool, met, wanted, method, seed, name, at, reason, unfair } = draw;
  const count = (cells: number) => cells.toLocaleString("en");
  const said = [`${count(chosen)} of ${count(pool)} cells count, drawn ${WAYS[method]}`];
  said.push(
    met < wanted
      ? `: all there are, ${count(met)} of the ${count(wanted)} leukocytes that were wanted.`
      : ` until ${count(wanted)} leukocytes were met.`,
  );
  if (unfair) said.push(` ${count(unfair)} in fields unfit for counting took no part.`);
  said.push(` Seed ${seed}, ${name}, ${when(at)}.`);
  if (reason) said.push(` Drawn anew: ${reason}`);
  return said.join("");
}
