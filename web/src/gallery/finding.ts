/** Cells that are found by what stands in their name, case or comments. */

import { api, body } from "../api/client";
import type { Images } from "../api/schema";

/** Cells of a page, and pages at most: each letter that is typed may ask for all of them. */
const PAGE = 500;
const PAGES = 10;

export interface CellsFound {
  images: number[];
  /** Whether more fit than are found. */
  more: boolean;
}

/** Ask for them page after page, in the case in hand (null for all). A `signal` ends the asking, as a fault that is thrown. */
export async function findCells(
  project: number,
  inHand: number | null,
  text: string,
  signal: AbortSignal,
): Promise<CellsFound> {
  const images: number[] = [];
  let after: string | null = null;
  for (let page = 0; page < PAGES; page++) {
    const query = { text, case: inHand ?? undefined, limit: PAGE, after: after ?? undefined };
    const found: Images = await body(
      api.GET("/projects/{project}/images", { params: { path: { project }, query }, signal }),
    );
    for (const { id } of found.items) images.push(id);
    after = found.next ?? null;
    if (after === null) return { images, more: false };
  }
  return { images, more: true };
}
