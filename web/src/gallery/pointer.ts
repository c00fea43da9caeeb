/** What the pointer does on the table: select, draw a band around cells, carry cells to a bin. */

import { type PointerEvent as ReactPointerEvent, type RefObject, useRef, useState } from "react";
import type { Columns } from "../columns/columns";
import { useProjectContext } from "../project/context";
import { type Box, type Layout, type Spot, spotAt, touched } from "./layout";
import { range, toggled } from "./selecting";

/** A press that moves less than this is a click. */
const STILL = 5;

interface Options {
  scroller: RefObject<HTMLElement | null>;
  layout: Layout;
  columns: Columns;
  mayLabel: boolean;
  onDrop: (images: number[], code: number) => void;
}

/** What the table draws of it: `held` are the images that are carried by `hand`. */
interface Pointer {
  press: (event: ReactPointerEvent) => void;
  hand: RefObject<HTMLDivElement | null>;
  held: readonly number[];
  band: Box | null;
}

/** Handles presses on the table. */
export function usePointer({ scroller, layout, columns, mayLabel, onDrop }: Options): Pointer {
  const { store } = useProjectContext();
  const anchor = useRef<Spot | null>(null);
  const hand = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<number[]>([]);
  const [band, setBand] = useState<Box | null>(null);

  const at = (event: { clientX: number; clientY: number }) => {
    const frame = scroller.current!.getBoundingClientRect();
    return { x: event.clientX - frame.left - 16, y: event.clientY - frame.top + scroller.current!.scrollTop };
  };

  const click = (event: PointerEvent, image: number, spot: Spot) => {
    if (event.shiftKey && anchor.current) {
      store.select(range(layout, columns, anchor.current, spot), image);
      return;
    }
    anchor.current = spot;
    if (event.ctrlKey || event.metaKey) {
      const next = toggled(store.snapshot(), image);
      store.select(next.selection, next.chosen);
    } else store.select([image], image);
  };

  const press = (event: ReactPointerEvent) => {
    if (event.button !== 0 || (event.target as Element).closest("button, a")) return;
    const start = { x: event.clientX, y: event.clientY };
    const origin = at(event);
    const spot = spotAt(layout, origin.x, origin.y);
    const image = spot ? columns.id[layout.bins[spot.bin]!.rows[spot.at]!]! : null;
    const touch = event.pointerType === "touch";
    // A finger on the table scrolls it; a tap still selects, and the menu labels.
    const kept = event.ctrlKey || event.metaKey || event.shiftKey ? store.snapshot().selection : new Set<number>();
    let mode: "still" | "drag" | "band" = "still";
    let over: Element | null = null;
    let carried: number[] = [];

    const move = (event: PointerEvent) => {
      if (mode === "still") {
        if (touch || Math.hypot(event.clientX - start.x, event.clientY - start.y) < STILL) return;
        if (image !== null && mayLabel) {
          mode = "drag";
          const { selection } = store.snapshot();
          carried = selection.has(image) ? [...selection] : [image];
          if (!selection.has(image)) store.select([image], image);
          setHeld(carried);
        } else mode = "band";
      }
      if (mode === "drag") {
        if (hand.current) hand.current.style.transform = `translate(${event.clientX + 10}px, ${event.clientY + 10}px)`;
        const under = document.elementsFromPoint(event.clientX, event.clientY);
        const next = under.map((element) => element.closest("[data-drop]")).find(Boolean) ?? null;
        if (next !== over) {
          over?.removeAttribute("data-over");
          next?.setAttribute("data-over", "");
          over = next;
        }
      } else {
        const here = at(event);
        const box = {
          left: Math.min(origin.x, here.x),
          top: Math.min(origin.y, here.y),
          right: Math.max(origin.x, here.x),
          bottom: Math.max(origin.y, here.y),
        };
        setBand(box);
        const images = touched(layout, box).map((row) => columns.id[row]!);
        store.select(new Set([...kept, ...images]), images.at(-1) ?? null);
      }
      const frame = scroller.current!.getBoundingClientRect();
      if (event.clientY < frame.top + 32) scroller.current!.scrollTop -= 16;
      if (event.clientY > frame.bottom - 32) scroller.current!.scrollTop += 16;
    };
    const end = (dropped: boolean) => (event: Event) => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      window.removeEventListener("pointercancel", cancelled);
      window.removeEventListener("keydown", byEscape);
      over?.removeAttribute("data-over");
      setHeld([]);
      setBand(null);
      if (!dropped) return;
      if (mode === "drag" && over) onDrop(carried, Number(over.getAttribute("data-drop")));
      if (mode === "still") {
        if (spot && image !== null) click(event as PointerEvent, image, spot);
        else if (!touch) store.select([]);
      }
    };
    const up = end(true);
    const cancelled = end(false);
    const byEscape = (event: KeyboardEvent) => {
      if (event.key === "Escape") cancelled(event);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", cancelled);
    window.addEventListener("keydown", byEscape);
  };

  return { press, hand, held, band };
}
