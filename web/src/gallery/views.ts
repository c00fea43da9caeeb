/** Saved views: how the table is sorted and filtered and how large its crops are, under a name; the service keeps them. */

import type { View as Kept, NewView } from "../api/schema";
import { browserStorage, type Kept as Stored } from "../app/storage";
import { type Columns, UNSURE } from "../columns/columns";
import type { Arrangement } from "./arrangement";
import { EVERYTHING, type Filter, SORTS } from "./bins";

/** The table as it stands, to be kept. A search is no part of a view, nor are cells that others were likened to. */
export function viewOf(
  { filter, sort, unusualApart, folded }: Pick<Arrangement, "filter" | "sort" | "unusualApart" | "folded">,
  { classes, labelSet }: Pick<Columns, "classes" | "labelSet">,
  size: number,
): Kept {
  const { who, certainty, unusual, counted, tag } = filter;
  return {
    // What is most like one cell means nothing without that cell.
    sort: sort === "similar" ? "uncertain" : sort,
    filter: { who, certainty, unusual, counted, tag },
    unusual_apart: unusualApart,
    size,
    folded: [...folded].flatMap((code) => (code === UNSURE ? ["?"] : classes[code] ? [classes[code].name] : [])),
    label_set: labelSet,
  };
}

/** A view's filter as the table takes it. */
export const filterOf = ({ filter }: Kept): Filter => ({ ...EVERYTHING, ...filter });

/** The bins that a view has folded away, where the label set still has them. */
export function foldedOf({ folded }: Kept, classes: Columns["classes"]): Set<number> {
  const codes = folded?.map((name) => (name === "?" ? UNSURE : classes.findIndex((mark) => mark.name === name)));
  return new Set(codes?.filter((code) => code >= 0));
}

// --- views that a browser kept by itself ---------------------------------------------------------------------------

const place = (project: number) => `hemosight.views.${project}`;

/** What an earlier version kept in this browser. */
interface Old {
  name: string;
  sort: string;
  filter: { who: "all" | "model" | "people"; certainty: number; unusual: boolean };
  unusualApart: boolean;
  size: number;
}

function isOld(value: unknown): value is Old {
  const view = value as Partial<Old> | null;
  return (
    typeof view?.name === "string" &&
    view.name.trim() !== "" &&
    typeof view.sort === "string" &&
    view.sort in SORTS &&
    typeof view.filter?.certainty === "number" &&
    ["all", "model", "people"].includes(view.filter.who ?? "") &&
    typeof view.filter.unusual === "boolean" &&
    typeof view.unusualApart === "boolean" &&
    typeof view.size === "number"
  );
}

/** The views that this browser keeps of a project, as the service takes them. */
export function inBrowser(project: number, storage: Stored = browserStorage): NewView[] {
  try {
    const kept = JSON.parse(storage.getItem(place(project)) ?? "[]") as unknown;
    if (!Array.isArray(kept)) return [];
    return kept.filter(isOld).map(({ name, sort, filter: { who, certainty, unusual }, unusualApart, size }) => ({
      name: name
        .replace(/\p{Cc}/gu, " ")
        .trim()
        .slice(0, 40),
      shared: false,
      view: {
        sort: sort === "similar" ? "uncertain" : (sort as Kept["sort"]),
        filter: { who, certainty: Math.min(1, Math.max(0, certainty)), unusual, counted: "all", tag: null },
        unusual_apart: unusualApart,
        size: Math.min(400, Math.max(16, Math.round(size))),
        folded: [],
        label_set: "cell_type",
      },
    }));
  } catch {
    return [];
  }
}

/**
 * Hand what this browser kept to the service, once; `there` are the names it has already. What the service does not
 * take now stays here, and is tried again on the next visit. True where anything was handed over.
 */
export async function handOver(
  project: number,
  there: readonly string[],
  keep: (view: NewView) => Promise<unknown>,
  storage: Stored = browserStorage,
): Promise<boolean> {
  const own = inBrowser(project, storage);
  if (storage.getItem(place(project)) === null) return false;
  const fresh = own.filter(({ name }) => !there.includes(name));
  try {
    for (const view of fresh) await keep(view);
  } catch {
    return false;
  }
  storage.removeItem(place(project));
  return fresh.length > 0;
}
