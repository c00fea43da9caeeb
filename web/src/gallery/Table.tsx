import {
  type PointerEvent as ReactPointerEvent,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { NONE, READ, rowOf } from "../columns/columns";
import { useDesk, useRoom } from "../project/context";
import { inks } from "../ui/marks";
import type { Arrangement } from "./arrangement";
import { BinHeader } from "./BinHeader";
import { USUAL } from "./bins";
import { CHOSEN, Crop, MINE, MOVED, ODD, PENDING, SELECTED, thumbnail } from "./Crop";
import { calm, drift, farewell, glide, type Scene } from "./glide";
import { type Box, corner, type Layout, laid, type Spot, spotAt, spotOf, spots, touched, within } from "./layout";
import { range, toggled } from "./selecting";

/** How far beyond the window crops are laid out, pixels. */
const MARGIN = 400;
/** The table is laid out anew when it has been scrolled by so many pixels, not with every one; less than the margin. */
const STRIDE = 96;
/** From here on, pixels a frame, the table rushes by and pictures are left out. */
const RUSH = 1200;
/** A press that moves less than this is a click. */
const STILL = 5;

/** A probability in percent; no model is certain. */
export const sure = (probability: number): string =>
  probability >= 0.995 ? ">99%" : `${Math.round(100 * probability)}%`;

export interface TableHandle {
  layout: () => Layout;
  spotOf: (image: number) => Spot | null;
  reveal: (image: number) => void;
  jump: (code: number) => void;
}

interface Props {
  arrangement: Arrangement;
  size: number;
  mayLabel: boolean;
  onDrop: (images: number[], code: number) => void;
  onMenu: (image: number, x: number, y: number) => void;
  handle: Ref<TableHandle>;
}

/** The light table: all bins in one scroll, and only what is in sight as elements. */
export function Table({ arrangement, size, mayLabel, onDrop, onMenu, handle }: Props) {
  const { project, store } = useRoom();
  const columns = useDesk((desk) => desk.columns);
  const selection = useDesk((desk) => desk.selection);
  const chosen = useDesk((desk) => desk.chosen);
  const pending = useDesk((desk) => desk.pending);
  const moved = useDesk((desk) => desk.moved);

  const scroller = useRef<HTMLDivElement>(null);
  const elements = useRef(new Map<number, HTMLElement>());
  const keep = useCallback((image: number, element: HTMLElement | null) => {
    if (element) elements.current.set(image, element);
    else elements.current.delete(image);
  }, []);

  const [view, setView] = useState({ top: 0, height: 800, width: 0, rush: false });
  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = () =>
      setView((view) => ({ ...view, height: element.clientHeight, width: element.clientWidth - 32 }));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const element = scroller.current!;
    let frame = 0;
    let settle: ReturnType<typeof setTimeout> | undefined;
    let last = element.scrollTop;
    const scrolled = () => {
      if (frame) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        const top = element.scrollTop;
        const rush = Math.abs(top - last) > RUSH;
        last = top;
        const line = Math.floor(top / STRIDE) * STRIDE;
        setView((view) => (view.top === line && view.rush === rush ? view : { ...view, top: line, rush }));
        clearTimeout(settle);
        if (rush) settle = setTimeout(() => setView((view) => ({ ...view, rush: false })), 120);
      });
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      element.removeEventListener("scroll", scrolled);
      cancelAnimationFrame(frame);
      clearTimeout(settle);
    };
  }, []);

  const layout = useMemo(() => laid(arrangement.bins, view.width, size), [arrangement.bins, view.width, size]);
  const places = useMemo(() => spots(layout, columns.count), [layout, columns.count]);
  const place = (image: number) => {
    const row = rowOf(columns, image);
    return row < 0 ? null : spotOf(places, row);
  };

  useImperativeHandle(handle, () => ({
    layout: () => layout,
    spotOf: place,
    reveal: (image) => {
      const spot = place(image);
      const element = scroller.current;
      if (!spot || !element) return;
      const { y } = corner(layout, spot);
      if (y < element.scrollTop + 8) element.scrollTop = y - 48;
      else if (y + layout.size > element.scrollTop + element.clientHeight - 8)
        element.scrollTop = y + layout.size + 24 - element.clientHeight;
    },
    jump: (code) => {
      const bin = layout.bins.find((bin) => bin.code === code);
      if (bin) scroller.current?.scrollTo({ top: bin.top, behavior: calm() ? "auto" : "smooth" });
    },
  }));

  // Cells glide when their order changes; not when the window or the size of crops does.
  const scene = useRef<(Scene & { standing: unknown; seen: number[] }) | null>(null);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const was = scene.current;
    const now = { columns, layout, places, scroll: element.scrollTop, standing: arrangement.standing, seen: [] };
    if (was && was.standing !== now.standing && was.layout.width === layout.width && was.layout.size === layout.size) {
      was.scroll = element.scrollTop;
      const by = drift(was, now, was.seen);
      if (Math.abs(by) >= 1) {
        element.scrollTop += by;
        now.scroll = element.scrollTop;
      }
      if (!calm()) {
        glide(was, now, elements.current, element.clientHeight);
        farewell(was, now, was.seen, elements.current, element, (image) => thumbnail(project.id, image));
      }
    }
    scene.current = { ...now, seen: [...elements.current.keys()] };
  });

  // The keyboard stays where the eye is, also when a cell goes to another bin.
  useEffect(() => {
    if (chosen === null) return;
    const active = document.activeElement;
    if (active && active !== document.body && !scroller.current?.contains(active)) return;
    elements.current.get(chosen)?.focus({ preventScroll: true });
  });

  // --- pointer ---------------------------------------------------------------------------------------------------

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

  // --- what is in sight --------------------------------------------------------------------------------------------

  const top = view.top - MARGIN;
  const bottom = view.top + STRIDE + view.height + MARGIN;
  const stretches = within(layout, top, bottom);
  const shown = layout.bins.flatMap((bin, index) => (bin.bottom >= top && bin.top <= bottom ? [index] : []));
  const chosenSpot = chosen === null ? null : place(chosen);
  if (chosenSpot && !shown.includes(chosenSpot.bin)) shown.push(chosenSpot.bin);
  const firstBin = layout.bins.findIndex((bin) => bin.rows.length > 0 && !bin.folded);

  const crop = (index: number, spotInBin: number) => {
    const bin = layout.bins[index]!;
    const row = bin.rows[spotInBin]!;
    const image = columns.id[row]!;
    const { x, y } = corner(layout, { bin: index, at: spotInBin });
    const labelled = columns.label[row] !== NONE;
    const read = columns.status[row] === READ && columns.predicted[row] !== NONE;
    const certainty = read ? sure(columns.probability[row]!) : "";
    const reading = read ? columns.classes[columns.predicted[row]!] : undefined;
    const title = arrangement.names[index]?.title ?? "";
    const caption = labelled
      ? `yours${reading ? ` · read ${reading.key} ${certainty}` : ""}`
      : reading
        ? `${reading.key} ${certainty}`
        : title;
    const flags =
      (labelled ? MINE : 0) |
      (moved.has(image) ? MOVED : 0) |
      (selection.has(image) ? SELECTED : 0) |
      (chosen === image ? CHOSEN : 0) |
      (pending.has(image) ? PENDING : 0) |
      (columns.status[row] === READ && columns.novelty[row]! > USUAL ? ODD : 0);
    return (
      <Crop
        key={image}
        project={project.id}
        image={image}
        x={x}
        y={y - bin.cells}
        size={layout.size}
        flags={flags}
        bare={view.rush && !elements.current.has(image)}
        name={`Cell ${image}, ${title}, ${labelled ? "labelled" : read ? `read by model, ${certainty}` : "not read"}`}
        caption={caption}
        reachable={chosen === null ? index === firstBin && spotInBin === 0 : chosen === image}
        keep={keep}
      />
    );
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the crops within are options of list boxes; keys act on the desk
    <div
      className="table-scroll"
      ref={scroller}
      onPointerDown={press}
      onContextMenu={(event) => {
        const image = (event.target as Element).closest<HTMLElement>("[data-image]")?.dataset.image;
        if (!image || !mayLabel) return;
        event.preventDefault();
        if (!store.snapshot().selection.has(Number(image))) store.select([Number(image)]);
        onMenu(Number(image), event.clientX, event.clientY);
      }}
    >
      <div className="table-sheet" style={{ height: layout.height }}>
        {shown.map((index) => {
          const bin = layout.bins[index]!;
          const name = arrangement.names[index]!;
          const stretch = stretches.find((stretch) => stretch.bin === index);
          const extra =
            chosenSpot?.bin === index &&
            !bin.folded &&
            !(stretch && chosenSpot.at >= stretch.from && chosenSpot.at < stretch.to);
          return (
            <section
              key={bin.code}
              className="bin typed"
              style={{ top: bin.top, height: bin.bottom - bin.top, ...inks(name.mark) }}
              data-drop={name.label === undefined ? undefined : bin.code}
              aria-label={`${name.title}, ${bin.rows.length} cells`}
            >
              <BinHeader arrangement={arrangement} index={index} mayLabel={mayLabel} />
              <div className="bin-cells" role="listbox" aria-multiselectable="true" aria-label={name.title}>
                {stretch && Array.from({ length: stretch.to - stretch.from }, (_, k) => crop(index, stretch.from + k))}
                {extra && crop(index, chosenSpot.at)}
              </div>
            </section>
          );
        })}
        {band && (
          <div
            className="band"
            style={{
              left: band.left,
              top: band.top,
              width: band.right - band.left,
              height: band.bottom - band.top,
            }}
          />
        )}
      </div>
      {held.length > 0 && (
        <div className="hand" ref={hand} aria-hidden="true">
          {held.slice(0, 3).map((image) => (
            <img key={image} src={thumbnail(project.id, image)} alt="" />
          ))}
          {held.length > 1 && <b>{held.length}</b>}
        </div>
      )}
    </div>
  );
}
