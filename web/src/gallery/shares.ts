/** Each type's share as the differential counts it, so that table, left column and report say the same. */

import { type Columns, NONE, READ } from "../columns/columns";

/**
 * Shares by class code: of what the laboratory counts in the hundred. A cell counts as labelled, or as the model reads
 * it, whichever bin it lies in; unsure and unread cells count nowhere. What is counted apart or excluded has no share,
 * nor what lies outside the cells that were drawn to be counted.
 */
export function shares(columns: Columns): Map<number, number> {
  const counts = new Uint32Array(256);
  for (let row = 0; row < columns.count; row++) {
    if (columns.outside[row]) continue;
    const label = columns.label[row]!;
    if (label !== NONE) counts[label]!++;
    else if (columns.status[row] === READ) counts[columns.predicted[row]!]!++;
  }
  const among = columns.classes.flatMap(({ counts }, code) => (counts === "in" ? [code] : []));
  const total = among.reduce((sum, code) => sum + counts[code]!, 0);
  return new Map(among.map((code) => [code, total ? counts[code]! / total : 0]));
}
