/** Which cells the model moved by itself between two states of the columns. */

import { type Columns, labelOf, NONE } from "../columns/columns";
import type { Note } from "./state";

export interface Moves {
  /** Cells that are read otherwise than when they were last looked at: from which class. */
  moved: ReadonlyMap<number, number>;
  /** Cells that went from one class to another just now, and how many from which to which, most first. */
  images: number[];
  pairs: NonNullable<Note["pairs"]>;
}

/**
 * Compare readings of cells without a label. `moved` is what was noted before; cells in `undone` had their label taken
 * back just now: that they return to where they were is the undoing, not something that followed from it.
 */
export function moves(
  before: Columns,
  now: Columns,
  known: ReadonlyMap<number, number>,
  undone: ReadonlySet<number>,
): Moves {
  const moved = new Map(known);
  const pairs = new Map<string, { from: string | null; to: string | null; count: number }>();
  const images: number[] = [];
  let old = 0;
  for (let row = 0; row < now.count; row++) {
    const id = now.id[row]!;
    while (old < before.count && before.id[old]! < id) old++;
    if (old >= before.count || before.id[old] !== id || undone.has(id)) continue;
    const from = before.predicted[old]!;
    const to = now.predicted[row]!;
    if (now.label[row] !== NONE) moved.delete(id);
    if (from === to || from === NONE || to === NONE || now.label[row] !== NONE) continue;
    const origin = moved.get(id) ?? from;
    if (origin === to) moved.delete(id);
    else moved.set(id, origin);
    images.push(id);
    const key = `${from} ${to}`;
    const pair = pairs.get(key) ?? { from: labelOf(now.classes, from), to: labelOf(now.classes, to), count: 0 };
    pair.count++;
    pairs.set(key, pair);
  }
  return { moved, images, pairs: [...pairs.values()].sort((a, b) => b.count - a.count) };
}
