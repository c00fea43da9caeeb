/** What a click, a range or a step selects. Pure: positions in, images out. */

import type { Columns } from "../columns/columns";
import type { Layout, Spot } from "./layout";

export interface Selecting {
  selection: ReadonlySet<number>;
  chosen: number | null;
}

const before = (a: Spot, b: Spot) => a.bin < b.bin || (a.bin === b.bin && a.at <= b.at);

/** The images from one spot to another, in the order of the table, folded bins left out. */
export function range(layout: Layout, columns: Columns, a: Spot, b: Spot): number[] {
  const [from, to] = before(a, b) ? [a, b] : [b, a];
  const images: number[] = [];
  for (let bin = from.bin; bin <= to.bin; bin++) {
    const { rows, folded } = layout.bins[bin]!;
    if (folded) continue;
    const first = bin === from.bin ? from.at : 0;
    const last = bin === to.bin ? to.at : rows.length - 1;
    for (let at = first; at <= last; at++) images.push(columns.id[rows[at]!]!);
  }
  return images;
}

/** Select an image, or leave it out where it was selected. */
export function toggled({ selection }: Selecting, image: number): Selecting {
  const next = new Set(selection);
  if (!next.delete(image)) next.add(image);
  return { selection: next, chosen: image };
}

/** What to look at after cells have left: the next one of the bin that stays, else the one before. */
export function nextAfter(layout: Layout, columns: Columns, spot: Spot, gone: ReadonlySet<number>): number | null {
  const { rows } = layout.bins[spot.bin]!;
  for (let at = spot.at + 1; at < rows.length; at++) {
    const image = columns.id[rows[at]!]!;
    if (!gone.has(image)) return image;
  }
  for (let at = spot.at - 1; at >= 0; at--) {
    const image = columns.id[rows[at]!]!;
    if (!gone.has(image)) return image;
  }
  return null;
}
