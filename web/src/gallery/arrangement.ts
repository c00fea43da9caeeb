import { useEffect, useMemo, useRef, useState } from "react";
import { api, body } from "../api/client";
import type { ClassShown as Mark } from "../api/schema";
import { type Columns, inTree } from "../columns/columns";
import { useTags } from "../tags/queries";
import { distancesFrom, NEAR } from "./alike";
import {
  type BinOrder,
  binned,
  counted,
  drawnCounts,
  EVERYTHING,
  type Filter,
  isNarrowed,
  kept,
  placed,
  type Sort,
  sorted,
  UNREADABLE_BIN,
  UNSURE_BIN,
  UNUSUAL_BIN,
  WAITING_BIN,
} from "./bins";
import type { Bin } from "./layout";
import { shares } from "./shares";

export interface BinName {
  code: number;
  title: string;
  /** What the bin gives when a cell is dropped on it; undefined where it takes none. */
  label: string | undefined;
  mark: Mark | null;
}

/** The bins of a label set in the order of the table: types, finer ones behind their own, then what is no type. */
export function binNames(classes: readonly Mark[], counts: ReadonlyMap<number, number>): BinName[] {
  const names: BinName[] = [];
  for (const mark of inTree(classes)) {
    const code = classes.indexOf(mark);
    // What was retired is shown as long as a cell is labelled so, and takes no more.
    if (mark.merged_into || (mark.retired && !counts.get(code))) continue;
    names.push({ code, title: mark.title, label: mark.retired ? undefined : mark.name, mark });
  }
  names.push({ code: UNSURE_BIN, title: "Unsure", label: "?", mark: null });
  const other = (code: number, title: string) =>
    counts.get(code) ? [{ code, title, label: undefined, mark: null }] : [];
  return [
    // What has just arrived is what a reviewer looks for, so it lies on top until it is read.
    ...other(WAITING_BIN, "Being read"),
    ...names,
    ...other(UNUSUAL_BIN, "Unusual"),
    ...other(UNREADABLE_BIN, "Not readable"),
  ];
}

export interface Arrangement {
  bins: Bin[];
  /** The names of these bins, one for each. */
  heads: BinName[];
  /** Whether a filter leaves cells out. */
  narrowed: boolean;
  /** Bins that have cells, of which the filter lets none through: they are named below the others. */
  filteredOut: BinName[];
  names: BinName[];
  counts: Map<number, number>;
  /** Of a case of which cells were drawn: how many of each bin count; null where all do. */
  drawn: Map<number, number> | null;
  /** Each type's share as the differential counts it. */
  shares: Map<number, number>;
  place: Uint8Array;
  standing: BinOrder;
  sort: Sort;
  filter: Filter;
  folded: ReadonlySet<number>;
  unusualApart: boolean;
  setSort: (sort: Sort) => void;
  setFilter: (filter: Filter) => void;
  setUnusualApart: (apart: boolean) => void;
  fold: (code: number) => void;
  setFolded: (codes: ReadonlySet<number>) => void;
  again: () => void;
}

const neighbours = async (project: number, image: number) =>
  (
    await body(
      api.GET("/projects/{project}/images/{image}/neighbours", {
        params: { path: { project, image }, query: { k: NEAR, among: "project" } },
      }),
    )
  ).items;

/**
 * The order of the table. It stays as it is while cells come, go and are read anew, until someone sorts again.
 *
 * `likened` gives the cells that others are sorted by their likeness to: what is selected, or the chosen one.
 */
export function useArrangement(project: number, columns: Columns, likened: () => number[]): Arrangement {
  const [sort, setSortOnly] = useState<Sort>("uncertain");
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [unusualApart, setUnusualApart] = useState(true);
  const tags = useTags();
  const tagged = useMemo(() => new Set(tags.find(({ name }) => name === filter.tag)?.images), [tags, filter.tag]);
  const [turn, setTurn] = useState(0);
  const distance = useRef<((id: number, row: number) => number) | undefined>(undefined);
  const before = useRef<{ standing: BinOrder; turn: number; labelSet: string } | null>(null);

  const standing = useMemo(() => {
    const place = placed(columns, { unusual: unusualApart });
    const last = before.current;
    const same = last && last.turn === turn && last.labelSet === columns.labelSet;
    const now = same
      ? kept(last.standing, columns, place, sort, distance.current)
      : sorted(columns, place, sort, distance.current);
    before.current = { standing: now, turn, labelSet: columns.labelSet };
    return now;
  }, [columns, unusualApart, sort, turn]);

  const bins = useMemo(() => binned(columns, standing, filter, tagged), [columns, standing, filter, tagged]);
  const drawn = useMemo(() => drawnCounts(columns, standing.place), [columns, standing]);
  const counts = useMemo(() => counted(standing.place), [standing]);
  const share = useMemo(() => shares(columns), [columns]);
  const names = useMemo(() => binNames(columns.classes, counts), [columns.classes, counts]);
  const narrowed = isNarrowed(filter);
  // A filter's findings are not to be looked for below bins in which there is nothing to see.
  const heads = useMemo(() => (narrowed ? names.filter(({ code }) => bins.has(code)) : names), [narrowed, names, bins]);
  const filteredOut = useMemo(
    () => (narrowed ? names.filter(({ code }) => !bins.has(code) && (counts.get(code) ?? 0) > 0) : []),
    [narrowed, names, bins, counts],
  );
  const laidBins = useMemo(
    () => heads.map(({ code }) => ({ code, rows: bins.get(code) ?? NOTHING, folded: folded.has(code) })),
    [heads, bins, folded],
  );

  const again = () => setTurn((turn) => turn + 1);
  const setSort = async (wanted: Sort) => {
    if (wanted === "similar") {
      const images = likened();
      if (!images.length) return;
      distance.current = await distancesFrom(columns, images, (image) => neighbours(project, image));
    }
    setSortOnly(wanted);
    again();
  };
  useEffect(() => {
    // Another project's or label set's similarity means nothing here.
    if (columns.labelSet) distance.current = undefined;
  }, [columns.labelSet]);

  return {
    bins: laidBins,
    heads,
    narrowed,
    filteredOut,
    names,
    counts,
    drawn,
    shares: share,
    place: standing.place,
    standing,
    sort,
    filter,
    folded,
    unusualApart,
    setSort,
    setFilter,
    setUnusualApart,
    setFolded,
    fold: (code) =>
      setFolded((folded) => {
        const next = new Set(folded);
        if (!next.delete(code)) next.add(code);
        return next;
      }),
    again,
  };
}

const NOTHING = new Int32Array(0);
