/**
 * Where every crop lies on the table. Pure arithmetic on typed arrays: nothing here knows the browser, and nothing is
 * made for a cell that is not in sight.
 */

export const GAP = 2;
export const HEADER = 40;
export const FOOT = 16;

export interface Bin {
  code: number;
  rows: Int32Array;
  folded: boolean;
}

export interface Laid extends Bin {
  /** Top of the bin's header. */
  top: number;
  /** Top of its first crop. */
  cells: number;
  bottom: number;
}

export interface Layout {
  bins: Laid[];
  perRow: number;
  /** From one crop to the next. */
  step: number;
  size: number;
  width: number;
  height: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Spot {
  bin: number;
  at: number;
}

/** Lay out bins below one another. Crops are at least `wanted` large and grow a little, so that lines end flush. */
export function laid(bins: Bin[], width: number, wanted: number): Layout {
  const perRow = Math.max(1, Math.floor((width + GAP) / (wanted + GAP)));
  const step = Math.max(wanted + GAP, Math.floor((width + GAP) / perRow));
  const size = step - GAP;
  const placed: Laid[] = [];
  let top = 0;
  for (const bin of bins) {
    const cells = top + HEADER;
    const lines = bin.folded ? 0 : Math.ceil(bin.rows.length / perRow);
    // A bin without cells, or folded, is a line: room enough to drop one, and little to scroll past.
    const bottom = cells + (lines ? lines * step + FOOT : 0);
    placed.push({ ...bin, top, cells, bottom });
    top = bottom;
  }
  return { bins: placed, perRow, step, size, width, height: top };
}

/** Top left corner of a crop. */
export function corner(layout: Layout, spot: Spot): { x: number; y: number } {
  const bin = layout.bins[spot.bin]!;
  return {
    x: (spot.at % layout.perRow) * layout.step,
    y: bin.folded ? bin.top : bin.cells + Math.floor(spot.at / layout.perRow) * layout.step,
  };
}

/** The index of the bin that a height falls into; -1 above and below them all. */
export function binAt(layout: Layout, y: number): number {
  let low = 0;
  let high = layout.bins.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const bin = layout.bins[middle]!;
    if (y < bin.top) high = middle - 1;
    else if (y >= bin.bottom) low = middle + 1;
    else return middle;
  }
  return -1;
}

/** The stretches of cells that lie between two heights, whole lines at a time. */
export function within(layout: Layout, top: number, bottom: number): { bin: number; from: number; to: number }[] {
  const stretches: { bin: number; from: number; to: number }[] = [];
  const first = Math.max(0, binAt(layout, Math.max(0, top)));
  for (let index = first; index < layout.bins.length; index++) {
    const bin = layout.bins[index]!;
    if (bin.top > bottom) break;
    if (bin.folded || bin.rows.length === 0) continue;
    const from = Math.max(0, Math.floor((top - bin.cells) / layout.step)) * layout.perRow;
    const to = Math.min(bin.rows.length, (Math.floor((bottom - bin.cells) / layout.step) + 1) * layout.perRow);
    if (from < to) stretches.push({ bin: index, from, to });
  }
  return stretches;
}

/** The crop at a point, if there is one. */
export function spotAt(layout: Layout, x: number, y: number): Spot | null {
  const index = binAt(layout, y);
  const bin = layout.bins[index];
  if (!bin || bin.folded || y < bin.cells) return null;
  const column = Math.floor(x / layout.step);
  if (column < 0 || column >= layout.perRow) return null;
  const at = Math.floor((y - bin.cells) / layout.step) * layout.perRow + column;
  return at < bin.rows.length ? { bin: index, at } : null;
}

/** The rows whose crops a rubber band touches. */
export function touched(layout: Layout, box: Box): number[] {
  const found: number[] = [];
  const left = Math.max(0, Math.floor(box.left / layout.step));
  const right = Math.min(layout.perRow - 1, Math.floor(box.right / layout.step));
  for (const { bin, from, to } of within(layout, box.top, box.bottom)) {
    const { rows, cells } = layout.bins[bin]!;
    if (box.bottom < cells) continue;
    for (let at = from; at < to; at++) {
      const column = at % layout.perRow;
      if (column >= left && column <= right) found.push(rows[at]!);
    }
  }
  return found;
}

/** Where every row lies. */
export function spots(layout: Layout, count: number): Float64Array {
  const places = new Float64Array(count).fill(-1);
  layout.bins.forEach((bin, index) => {
    for (let at = 0; at < bin.rows.length; at++) places[bin.rows[at]!] = index * 2 ** 24 + at;
  });
  return places;
}

export function spotOf(places: Float64Array, row: number): Spot | null {
  const place = places[row] ?? -1;
  return place < 0 ? null : { bin: Math.floor(place / 2 ** 24), at: place % 2 ** 24 };
}

export type Step = "left" | "right" | "up" | "down" | "first" | "last" | "next-bin" | "last-bin";

/** Where a key leads from a crop: along the line, to the line above or below, across bins where one ends. */
export function stepped(layout: Layout, spot: Spot, step: Step): Spot {
  const { bins, perRow } = layout;
  const rows = bins[spot.bin]!.rows;
  const column = spot.at % perRow;
  switch (step) {
    case "left":
      return spot.at > 0 ? { ...spot, at: spot.at - 1 } : (beside(layout, spot.bin, -1, "end") ?? spot);
    case "right":
      return spot.at + 1 < rows.length ? { ...spot, at: spot.at + 1 } : (beside(layout, spot.bin, 1, "start") ?? spot);
    case "up": {
      if (spot.at >= perRow) return { ...spot, at: spot.at - perRow };
      const above = beside(layout, spot.bin, -1, "start");
      if (!above) return spot;
      const count = bins[above.bin]!.rows.length;
      const line = Math.floor((count - 1) / perRow) * perRow;
      return { bin: above.bin, at: Math.min(line + column, count - 1) };
    }
    case "down": {
      if (spot.at + perRow < rows.length) return { ...spot, at: spot.at + perRow };
      const lastLine = Math.floor((rows.length - 1) / perRow);
      if (Math.floor(spot.at / perRow) < lastLine) return { ...spot, at: rows.length - 1 };
      const below = beside(layout, spot.bin, 1, "start");
      return below ? { bin: below.bin, at: Math.min(column, bins[below.bin]!.rows.length - 1) } : spot;
    }
    case "first":
      return { ...spot, at: 0 };
    case "last":
      return { ...spot, at: rows.length - 1 };
    case "next-bin":
      return beside(layout, spot.bin, 1, "start") ?? spot;
    case "last-bin":
      return beside(layout, spot.bin, -1, "start") ?? spot;
  }
}

function beside(layout: Layout, bin: number, way: 1 | -1, end: "start" | "end"): Spot | null {
  for (let index = bin + way; index >= 0 && index < layout.bins.length; index += way) {
    const { rows, folded } = layout.bins[index]!;
    if (rows.length && !folded) return { bin: index, at: end === "start" ? 0 : rows.length - 1 };
  }
  return null;
}
