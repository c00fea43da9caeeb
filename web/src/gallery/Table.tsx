import { type Ref, useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef } from "react";
import { useMemberNames, useSession } from "../api/queries";
import { isUnusual, NONE, READ, rowOf } from "../columns/columns";
import { useFamiliarity } from "../foreign/familiarity";
import { useProjectContext, useProjectState } from "../project/context";
import { useTagged } from "../tags/queries";
import { inks } from "../ui/marks";
import type { Arrangement } from "./arrangement";
import { BinHeader } from "./BinHeader";
import { EVERYTHING } from "./bins";
import { CHOSEN, Crop, LABELLED, MOVED, ODD, OUTSIDE, PENDING, SELECTED, TAGGED, thumbnail } from "./Crop";
import { briefly, nameOfCell, roomFor } from "./captions";
import { calm, drift, farewell, glide, type Scene } from "./glide";
import { corner, type Layout, laid, type Spot, spotOf, spots, within } from "./layout";
import { usePointer } from "./pointer";
import { STRIDE, useView } from "./view";

/** Room below the last crop, pixels. */
const FOOT = 96;
/** How far beyond the window crops are laid out, pixels. */
const MARGIN = 400;
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
  onGroup: (images: number[], label: string) => void;
  /** How much of the table's foot messages and buttons lie over, pixels. */
  covered: number;
  handle: Ref<TableHandle>;
}

/** The light table: all bins in one scroll, and only what is in sight as elements. */
export function Table({ arrangement, size, mayLabel, onDrop, onMenu, onGroup, covered, handle }: Props) {
  const { project, store } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const selection = useProjectState((state) => state.selection);
  const chosen = useProjectState((state) => state.chosen);
  const pending = useProjectState((state) => state.pending);
  const moved = useProjectState((state) => state.moved);
  const me = useSession().data?.user?.id;
  const nameOf = useMemberNames(project.id);
  const foreign = useFamiliarity()?.foreign ?? false;
  const tagged = useTagged();

  const scroller = useRef<HTMLDivElement>(null);
  const elements = useRef(new Map<number, HTMLElement>());
  const keep = useCallback((image: number, element: HTMLElement | null) => {
    if (element) elements.current.set(image, element);
    else elements.current.delete(image);
  }, []);

  const view = useView(scroller);
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
      else if (y + layout.size > element.scrollTop + element.clientHeight - covered - 8)
        element.scrollTop = y + layout.size + covered + 24 - element.clientHeight;
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

  // A message or the selection's buttons have come: what they would lie over moves up, and nothing else moves.
  const wasCovered = useRef(0);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const more = covered - wasCovered.current;
    wasCovered.current = covered;
    if (more <= 0 || !layout.bins.length) return;
    const top = element.scrollTop + element.clientHeight - covered;
    const spot = chosen === null ? null : place(chosen);
    const lowest = spot ? corner(layout, spot).y + layout.size : 0;
    const hidden = lowest > top && lowest <= top + covered + layout.size ? lowest + 8 - top : 0;
    const atEnd = element.scrollTop + element.clientHeight >= layout.height - 8;
    const by = Math.max(hidden, atEnd ? layout.height + 8 - top : 0);
    if (by > 0) element.scrollTop += by;
  });

  // The keyboard stays where the eye is, also when a cell goes to another bin.
  useEffect(() => {
    if (chosen === null) return;
    const active = document.activeElement;
    if (active && active !== document.body && !scroller.current?.contains(active)) return;
    elements.current.get(chosen)?.focus({ preventScroll: true });
  });

  const { press, held, band, hand } = usePointer({ scroller, layout, columns, mayLabel, onDrop });

  // --- what is in sight --------------------------------------------------------------------------------------------

  const top = view.top - MARGIN;
  const bottom = view.top + STRIDE + view.height + MARGIN;
  const stretches = within(layout, top, bottom);
  const shown = layout.bins.flatMap((bin, index) => (bin.bottom >= top && bin.top <= bottom ? [index] : []));
  const chosenSpot = chosen === null ? null : place(chosen);
  if (chosenSpot && !shown.includes(chosenSpot.bin)) shown.push(chosenSpot.bin);
  const firstBin = layout.bins.findIndex((bin) => bin.rows.length > 0 && !bin.folded);

  const room = roomFor(layout.size);
  const whose = (row: number): string => {
    const by = columns.labelled_by[row]!;
    if (pending.has(columns.id[row]!) || by === me) return "yours";
    return by < 0 ? "labelled" : nameOf(by);
  };

  const crop = (index: number, spotInBin: number) => {
    const bin = layout.bins[index]!;
    const row = bin.rows[spotInBin]!;
    const image = columns.id[row]!;
    const { x, y } = corner(layout, { bin: index, at: spotInBin });
    const labelled = columns.label[row] !== NONE;
    const read = columns.status[row] === READ && columns.predicted[row] !== NONE;
    // Probabilities of a scanner that the model does not know are not calibrated: none is shown.
    const certainty = read && !foreign ? sure(columns.probability[row]!) : "";
    const reading = read ? columns.classes[columns.predicted[row]!] : undefined;
    const title = arrangement.heads[index]?.title ?? "";
    const caption = labelled
      ? `${briefly(whose(row), room)}${reading ? `\nread ${reading.key} ${certainty}` : ""}`
      : reading
        ? `${reading.key} ${certainty}`
        : title;
    const flags =
      (labelled ? LABELLED : 0) |
      (moved.has(image) ? MOVED : 0) |
      (selection.has(image) ? SELECTED : 0) |
      (chosen === image ? CHOSEN : 0) |
      (pending.has(image) ? PENDING : 0) |
      (isUnusual(columns, row) ? ODD : 0) |
      (columns.outside[row] ? OUTSIDE : 0) |
      (tagged.has(image) ? TAGGED : 0);
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
        name={nameOfCell({
          image,
          bin: title,
          reading: reading?.title,
          certainty,
          whose: labelled ? whose(row) : undefined,
          unusual: isUnusual(columns, row),
          outside: columns.outside[row] === 1,
          tags: tagged.get(image),
        })}
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
      <div className="table-sheet" style={{ height: layout.height, marginBottom: Math.max(FOOT, covered + 24) }}>
        {shown.map((index) => {
          const bin = layout.bins[index]!;
          const name = arrangement.heads[index]!;
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
              aria-label={`${name.title}, ${bin.rows.length} ${bin.rows.length === 1 ? "cell" : "cells"}`}
            >
              <BinHeader arrangement={arrangement} index={index} mayLabel={mayLabel} onGroup={onGroup} />
              <div className="bin-cells" role="listbox" aria-multiselectable="true" aria-label={name.title}>
                {stretch && Array.from({ length: stretch.to - stretch.from }, (_, k) => crop(index, stretch.from + k))}
                {extra && crop(index, chosenSpot.at)}
              </div>
            </section>
          );
        })}
        {arrangement.narrowed && <FilteredOut arrangement={arrangement} top={layout.height} />}
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

/** Which bins the filter leaves nothing of, in one line instead of a heading each. */
function FilteredOut({ arrangement, top }: { arrangement: Arrangement; top: number }) {
  const { filteredOut, counts, bins, setFilter } = arrangement;
  const said = filteredOut.map(({ code, title }) => `${title} ${(counts.get(code) ?? 0).toLocaleString("en")}`);
  return (
    <p className="filtered-out quiet" style={{ top }}>
      {!bins.length && <strong>No cell passes the filter. </strong>}
      {said.length > 0 && `Filtered out: ${said.join(", ")}. `}
      <button type="button" className="bin-act" onClick={() => setFilter(EVERYTHING)}>
        show everything
      </button>
    </p>
  );
}
