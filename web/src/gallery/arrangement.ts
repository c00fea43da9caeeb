import { useEffect, useMemo, useRef, useState } from "react";
import { get } from "../api/client";
import type { List, Mark, Neighbour } from "../api/types";
import { type Columns, rowOf } from "../columns/columns";
import {
  binned,
  counted,
  EVERYTHING,
  type Filter,
  fewUnusual,
  kept,
  placed,
  type Sort,
  type Standing,
  sorted,
  UNREADABLE_BIN,
  UNSURE_BIN,
  UNUSUAL_BIN,
  WAITING_BIN,
} from "./bins";
import type { Bin } from "./layout";

export interface BinName {
  code: number;
  title: string;
  /** What the bin gives when a cell is dropped on it; undefined where it takes none. */
  label: string | undefined;
  mark: Mark | null;
}

/** The bins of a label set in the order of the table: types, then what is no type. */
export function binNames(classes: readonly Mark[], counts: ReadonlyMap<number, number>): BinName[] {
  const names: BinName[] = classes.map((mark, code) => ({ code, title: mark.title, label: mark.name, mark }));
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
  names: BinName[];
  counts: Map<number, number>;
  place: Uint8Array;
  standing: Standing;
  sort: Sort;
  filter: Filter;
  folded: ReadonlySet<number>;
  unusualApart: boolean;
  setSort: (sort: Sort) => void;
  setFilter: (filter: Filter) => void;
  setUnusualApart: (apart: boolean) => void;
  fold: (code: number) => void;
  again: () => void;
}

/** The order of the table. It stays as it is while cells come, go and are read anew, until someone sorts again. */
export function useArrangement(project: number, columns: Columns, chosen: number | null): Arrangement {
  const [sort, setSortOnly] = useState<Sort>("uncertain");
  const [filter, setFilter] = useState<Filter>(EVERYTHING);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [wishedApart, setUnusualApart] = useState<boolean | null>(null);
  const [turn, setTurn] = useState(0);
  const distance = useRef<((id: number, row: number) => number) | undefined>(undefined);
  const before = useRef<{ standing: Standing; turn: number; labelSet: string } | null>(null);

  // Decided once a project, while it still fills: a bin should not come and go with every cell.
  const automatic = useRef(false);
  if (!automatic.current && columns.count >= 20) automatic.current = fewUnusual(columns);
  const unusualApart = wishedApart ?? automatic.current;

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

  const bins = useMemo(() => binned(columns, standing, filter), [columns, standing, filter]);
  const counts = useMemo(() => counted(standing.place), [standing]);
  const names = useMemo(() => binNames(columns.classes, counts), [columns.classes, counts]);
  const laidBins = useMemo(
    () => names.map(({ code }) => ({ code, rows: bins.get(code) ?? NOTHING, folded: folded.has(code) })),
    [names, bins, folded],
  );

  const again = () => setTurn((turn) => turn + 1);
  const setSort = async (wanted: Sort) => {
    if (wanted === "similar") {
      if (chosen === null) return;
      distance.current = await distancesFrom(project, columns, chosen);
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
    names,
    counts,
    place: standing.place,
    standing,
    sort,
    filter,
    folded,
    unusualApart,
    setSort,
    setFilter,
    setUnusualApart,
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
/** How many neighbours are asked for; beyond them the map's distance decides. */
const NEAR = 100;

async function distancesFrom(project: number, columns: Columns, image: number) {
  const { items } = await get<List<Neighbour>>(`/projects/${project}/images/${image}/neighbours`, {
    k: NEAR,
    among: "project",
  });
  const near = new Map(items.map(({ image, distance }) => [image ?? -1, distance]));
  const beyond = Math.max(0, ...near.values()) + 1;
  const row = rowOf(columns, image);
  const x = columns.x[row] ?? 0;
  const y = columns.y[row] ?? 0;
  near.set(image, -1);
  return (id: number, other: number) =>
    near.get(id) ?? beyond + Math.hypot((columns.x[other] ?? 0) - x, (columns.y[other] ?? 0) - y);
}
