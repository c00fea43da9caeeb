import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { DeleteCells, MoveCells } from "../cases/CellActions";
import { CellPanel } from "../cell/CellPanel";
import { lockedCases, rowOf } from "../columns/columns";
import { ForeignBanner } from "../foreign/Banner";
import { useFamiliarity } from "../foreign/familiarity";
import { MapDrawer } from "../landscape/Drawer";
import { ProposedScanner } from "../profiles/Adapting";
import { useProjectContext, useProjectState } from "../project/context";
import { SignedBanner } from "../signing/SignedBanner";
import { toggled, useTags } from "../tags/queries";
import { Failure, Loading, Unseen } from "../ui/states";
import { UploadArea } from "../upload/UploadArea";
import { useArrangement } from "./arrangement";
import { useHeight, useRemembered } from "./hooks";
import { KeyCard } from "./KeyCard";
import { elsewhere, meaning } from "./keys";
import { LabelMenu, SelectionBar } from "./LabelMenu";
import { stepped } from "./layout";
import { Notes } from "./Notes";
import { nextAfter, range } from "./selecting";
import { Table, type TableHandle } from "./Table";
import { LARGEST, SMALLEST, Toolbar } from "./Toolbar";
import { Types } from "./Types";
import "./gallery.scss";

const Compare = lazy(() => import("../cell/Compare"));
const GroupDialog = lazy(() => import("../groups/GroupDialog"));
const TagDialog = lazy(() => import("../tags/TagDialog"));

/** The desk: types, the table of crops, the chosen cell. */
export default function Gallery() {
  const { project, store } = useProjectContext();
  const phase = useProjectState((state) => state.phase);
  const fault = useProjectState((state) => state.fault);
  const columns = useProjectState((state) => state.columns);
  const chosen = useProjectState((state) => state.chosen);
  const arrangement = useArrangement(project.id, columns, () => inReach());
  const [size, setSize] = useRemembered("size", 88);
  const [typesOpen, setTypesOpen] = useRemembered("types", !window.matchMedia("(max-width: 600px)").matches);
  const [cellOpen, setCellOpen] = useRemembered("cell", true);
  const [heat, setHeat] = useState(false);
  const [keys, setKeys] = useState(false);
  const [asking, setAsking] = useState<{ what: "move" | "delete"; images: number[]; close: () => void } | null>(null);
  const [grouping, setGrouping] = useState<{ images: readonly number[]; label?: string } | null>(null);
  const [tagging, setTagging] = useState<number[] | null>(null);
  const [lastTag, setLastTag] = useState<string | null>(null);
  const tags = useTags();
  const [comparing, setComparing] = useState(false);
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  const table = useRef<TableHandle>(null);
  const searching = useRef<HTMLInputElement>(null);
  const anchor = useRef<number | null>(null);
  const [foot, covered] = useHeight();
  const inHand = useProjectState((state) => state.case);
  // Cells of a signed case take no label; on the table of all cases the store refuses them one by one.
  const locked = useMemo(() => inHand !== null && lockedCases(columns).has(inHand), [columns, inHand]);
  const mayReview = project.role !== "viewer" && !project.archived;
  const mayLabel = mayReview && !locked;
  const { names } = arrangement;
  const foreign = useFamiliarity()?.foreign ?? false;

  /** What an act is for: what is selected, else the chosen cell. */
  const inReach = () => {
    const { selection, chosen } = store.snapshot();
    return selection.size ? [...selection] : chosen !== null ? [chosen] : [];
  };
  /** Label what is selected, and let the eye go on to the next cell of the bin. */
  const speak = (say: (images: number[]) => void, stays: boolean) => {
    if (!mayLabel) return;
    const { chosen } = store.snapshot();
    const images = inReach();
    if (!images.length) return;
    const spot = table.current?.spotOf(chosen ?? images[0]!);
    const layout = table.current?.layout();
    const next = spot && layout ? nextAfter(layout, columns, spot, new Set(images)) : null;
    say(images);
    if (next !== null) {
      store.select([next], next);
      if (stays) table.current?.reveal(next);
    }
  };
  const label = (label: string | null) => speak((images) => void store.label(images, label), false);
  const agree = () => speak((images) => void store.agree(images), true);
  const compare = () => {
    if (store.snapshot().chosen !== null) setComparing(true);
  };
  const ask = (what: "move" | "delete") => () => {
    const images = inReach();
    if (images.length) setAsking({ what, images, close: () => setAsking(null) });
  };
  // Tags are no labels: a signed case may have them as well.
  const tag = () => {
    const images = inReach();
    if (mayReview && images.length) setTagging(images);
  };
  const tagAgain = () => {
    const images = inReach();
    if (lastTag === null) tag();
    else if (mayReview && images.length) void store.tag(images, lastTag, toggled(tags, lastTag, images));
  };
  const acts = {
    tag: mayReview ? tag : null,
    group: mayLabel && !foreign ? () => setGrouping({ images: inReach() }) : null,
    move: ask("move"),
    remove: project.role === "admin" ? ask("delete") : null,
  };
  // The heads of bins are drawn anew only where something of theirs changes.
  const onGroup = useCallback((images: number[], label: string) => setGrouping({ images, label }), []);
  /** Show a bin. Whoever comes by key goes on in it by key. */
  const jump = (code: number, byKey: boolean) => {
    table.current?.jump(code);
    const bin = table.current?.layout().bins.find((bin) => bin.code === code);
    const row = bin?.folded ? undefined : bin?.rows[0];
    if (!byKey || row === undefined) return;
    // The chosen cell takes the focus where nothing else has it.
    (document.activeElement as HTMLElement | null)?.blur();
    store.select([columns.id[row]!]);
  };
  const show = (images: number[]) => {
    store.select(images);
    if (images[0] !== undefined) table.current?.reveal(images[0]);
  };

  const press = (event: KeyboardEvent) => {
    if (event.defaultPrevented || elsewhere(event.target)) return;
    const meant = meaning(event, columns.classes);
    if (!meant) return;
    const target = event.target instanceof Element ? event.target : null;
    const onTable = !target || target === document.body || target.closest(".table-scroll, .shell-main") === target;
    const onCell = target?.closest("[role=option]");
    // A button keeps Enter and Space, and Tab walks through the page from everywhere but the cells.
    const ours = onTable || onCell;
    if (!ours && (["Enter", " ", "Tab"].includes(event.key) || event.key.startsWith("Arrow"))) return;
    const handle = table.current;
    // Who came by Tab has a cell in focus before one is chosen: it is that one that keys are for.
    const focused = Number(onCell?.getAttribute("data-image")) || null;
    const at = chosen ?? focused;
    if (
      chosen === null &&
      focused &&
      (meant.do === "label" || meant.do === "agree") &&
      !store.snapshot().selection.size
    )
      store.select([focused], focused);
    switch (meant.do) {
      case "label":
        label(meant.label);
        break;
      case "agree":
        agree();
        break;
      case "undo":
        void store.undo();
        break;
      case "redo":
        void store.redo();
        break;
      case "all": {
        const spot = at === null ? null : handle?.spotOf(at);
        const bin = handle?.layout().bins[spot?.bin ?? 0];
        if (bin)
          store.select(
            [...bin.rows].map((row) => columns.id[row]!),
            at,
          );
        break;
      }
      case "none":
        store.select([]);
        break;
      case "toggle": {
        const { selection } = store.snapshot();
        if (at === null) return;
        const next = new Set(selection);
        if (!next.delete(at)) next.add(at);
        store.select(next, at);
        break;
      }
      case "heat":
        setHeat((heat) => !heat);
        setCellOpen(true);
        break;
      case "search":
        searching.current?.focus();
        break;
      case "keys":
        setKeys(true);
        break;
      case "bigger":
        setSize(Math.min(LARGEST, size + 8));
        break;
      case "smaller":
        setSize(Math.max(SMALLEST, size - 8));
        break;
      case "compare":
        compare();
        break;
      case "tag":
        tag();
        break;
      case "tag-again":
        tagAgain();
        break;
      case "step": {
        if (!handle) return;
        const layout = handle.layout();
        const from = at === null ? null : handle.spotOf(at);
        const first = layout.bins.findIndex((bin) => bin.rows.length > 0 && !bin.folded);
        if (!from) {
          if (first < 0 || event.key === "Tab") return;
          const image = columns.id[layout.bins[first]!.rows[0]!]!;
          store.select([image], image);
          handle.reveal(image);
          break;
        }
        const to = stepped(layout, from, meant.step);
        // At the last bin, Tab goes on through the page.
        if (to.bin === from.bin && event.key === "Tab") return;
        const image = columns.id[layout.bins[to.bin]!.rows[to.at]!]!;
        if (meant.extend) {
          if (anchor.current === null || !handle.spotOf(anchor.current)) anchor.current = at;
          const start = handle.spotOf(anchor.current!)!;
          store.select(range(layout, columns, start, to), image);
        } else {
          anchor.current = null;
          store.select([image], image);
        }
        handle.reveal(image);
        break;
      }
    }
    event.preventDefault();
  };
  const pressed = useRef(press);
  pressed.current = press;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => pressed.current(event);
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);

  // Coming from another screen with a cell in hand: show it.
  const ready = phase === "ready" && columns.count > 0;
  useEffect(() => {
    const { chosen } = store.snapshot();
    if (ready && chosen !== null) requestAnimationFrame(() => table.current?.reveal(chosen));
  }, [ready, store]);

  if (phase === "failed") return <Failure fault={fault} retry={store.retry} />;
  if (phase === "loading") return <Loading what="Laying out the cells" />;
  if (columns.count === 0) return <UploadArea />;

  const drop = (images: number[], code: number) => {
    const said = names.find((name) => name.code === code)?.label;
    if (said !== undefined) void store.label(images, said);
  };
  return (
    <div className="desk" data-types={typesOpen} data-cell={cellOpen} data-foreign={foreign || undefined}>
      <Unseen title="Review" />
      <aside className="desk-side" aria-label="Types">
        <button
          type="button"
          className="side-fold"
          aria-expanded={typesOpen}
          aria-label={typesOpen ? "Fold the types away" : "Show the types"}
          onClick={() => setTypesOpen(!typesOpen)}
        >
          {typesOpen ? "‹" : "›"}
        </button>
        {typesOpen && <Types arrangement={arrangement} jump={jump} />}
      </aside>
      <div className="desk-table">
        <ForeignBanner />
        <ProposedScanner />
        <SignedBanner />
        <Toolbar arrangement={arrangement} size={size} setSize={setSize} searching={searching} />
        <div className="desk-bins">
          <Table
            handle={table}
            arrangement={arrangement}
            size={size}
            mayLabel={mayLabel}
            onDrop={drop}
            onMenu={(_image, x, y) => setMenu({ x, y })}
            onGroup={onGroup}
            covered={covered}
          />
          <div className="desk-foot" ref={foot}>
            {mayLabel && <SelectionBar label={label} agree={agree} compare={compare} {...acts} />}
            <Notes show={show} />
          </div>
        </div>
        <MapDrawer />
      </div>
      <aside className="desk-side desk-cell" aria-label="Chosen cell">
        <button
          type="button"
          className="side-fold"
          aria-expanded={cellOpen}
          aria-label={cellOpen ? "Fold the cell away" : "Show the chosen cell"}
          onClick={() => setCellOpen(!cellOpen)}
        >
          <span aria-hidden="true">{cellOpen ? "›" : "‹"}</span>
        </button>
        {cellOpen && (
          <CellPanel
            heat={heat}
            setHeat={setHeat}
            compare={compare}
            mayLabel={mayLabel}
            label={label}
            agree={agree}
            show={(image) => show([image])}
            tag={mayReview ? tag : null}
          />
        )}
      </aside>
      {menu && <LabelMenu {...menu} close={() => setMenu(null)} label={label} agree={agree} {...acts} />}
      {asking && (asking.what === "move" ? <MoveCells {...asking} /> : <DeleteCells {...asking} />)}
      <KeyCard classes={columns.classes} show={keys} close={() => setKeys(false)} />
      {grouping && (
        <Suspense>
          <GroupDialog {...grouping} close={() => setGrouping(null)} />
        </Suspense>
      )}
      {tagging && (
        <Suspense>
          <TagDialog images={tagging} used={setLastTag} close={() => setTagging(null)} />
        </Suspense>
      )}
      {comparing && (
        <Suspense>
          <Compare close={() => setComparing(false)} known={(image) => rowOf(columns, image) >= 0} />
        </Suspense>
      )}
    </div>
  );
}
