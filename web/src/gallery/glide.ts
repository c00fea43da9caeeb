/** Cells that change their place are seen to move: along the table, or away to the bin's name where it is out of sight. */

import { type Columns, rowOf } from "../columns/columns";
import { corner, type Layout, spotOf } from "./layout";

export interface Scene {
  columns: Columns;
  layout: Layout;
  places: Float64Array;
  scroll: number;
}

export const GLIDE = 200;
const GHOSTS = 40;

export const calm = (): boolean => window.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? true;

/** Top left corner of a cell in a scene, or null where it is not shown. */
export function cornerOf(scene: Scene, image: number): { x: number; y: number } | null {
  const row = rowOf(scene.columns, image);
  const spot = row < 0 ? null : spotOf(scene.places, row);
  return spot && !scene.layout.bins[spot.bin]?.folded ? corner(scene.layout, spot) : null;
}

/** By how much to scroll so that what did not move itself stays under the eye. */
export function drift(was: Scene, now: Scene, inSight: Iterable<number>): number {
  if (was.scroll < 8) return 0;
  for (const image of inSight) {
    const a = cornerOf(was, image);
    const b = cornerOf(now, image);
    if (!a || !b || a.y < was.scroll) continue;
    const from = spotOf(was.places, rowOf(was.columns, image))!;
    const to = spotOf(now.places, rowOf(now.columns, image))!;
    if (was.layout.bins[from.bin]!.code === now.layout.bins[to.bin]!.code) return b.y - a.y;
  }
  return 0;
}

/** Let every element that stands elsewhere than before slide to where it stands now. */
export function glide(was: Scene, now: Scene, elements: ReadonlyMap<number, HTMLElement>, height: number): void {
  for (const [image, element] of elements) {
    const a = cornerOf(was, image);
    const b = cornerOf(now, image);
    if (!a || !b) continue;
    const dx = a.x - b.x;
    const dy = a.y - was.scroll - (b.y - now.scroll);
    if (Math.abs(dx) < 1 && Math.abs(dy) < 1) continue;
    const limited = Math.max(-height, Math.min(height, dy));
    element.animate([{ transform: `translate(${dx}px, ${limited}px)` }, { transform: "none" }], {
      duration: GLIDE,
      easing: "cubic-bezier(0.2, 0, 0.2, 1)",
    });
  }
}

/** Cells that left the window fly to the name of their bin. `seen` are those that were in sight before. */
export function farewell(
  was: Scene,
  now: Scene,
  seen: Iterable<number>,
  elements: ReadonlyMap<number, HTMLElement>,
  table: HTMLElement,
  picture: (image: number) => string,
): void {
  const frame = table.getBoundingClientRect();
  let ghosts = 0;
  for (const image of seen) {
    if (elements.has(image) || ghosts >= GHOSTS) continue;
    const a = cornerOf(was, image);
    const row = rowOf(now.columns, image);
    const spot = row < 0 ? null : spotOf(now.places, row);
    if (!a || !spot) continue;
    const target = document.querySelector(`[data-type-row="${now.layout.bins[spot.bin]!.code}"]`);
    if (!target) continue;
    const end = target.getBoundingClientRect();
    const ghost = document.createElement("img");
    ghost.src = picture(image);
    ghost.alt = "";
    ghost.className = "ghost";
    const { size } = was.layout;
    const left = frame.left + a.x;
    const top = frame.top + a.y - was.scroll;
    ghost.style.cssText = `left:${left}px;top:${top}px;width:${size}px;height:${size}px`;
    document.body.append(ghost);
    ghosts++;
    const flight = ghost.animate(
      [
        { transform: "none", opacity: 1 },
        {
          transform: `translate(${end.left - left}px, ${end.top - top}px) scale(${end.height / size})`,
          opacity: 0.2,
        },
      ],
      { duration: GLIDE * 1.5, easing: "cubic-bezier(0.3, 0, 0.2, 1)" },
    );
    flight.onfinish = () => ghost.remove();
    flight.oncancel = () => ghost.remove();
  }
}
