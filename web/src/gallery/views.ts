/** Saved views: how the table is sorted and filtered and how large its crops are, under a name of one's own. */

import { EVERYTHING, type Filter, SORTS, type Sort } from "./bins";

export interface View {
  name: string;
  sort: Sort;
  filter: Pick<Filter, "who" | "certainty" | "unusual">;
  unusualApart: boolean;
  size: number;
}

/** As many as a menu shows. */
const MOST = 12;
const place = (project: number) => `hemosight.views.${project}`;

function isView(value: unknown): value is View {
  const view = value as Partial<View> | null;
  return (
    typeof view?.name === "string" &&
    view.name !== "" &&
    typeof view.sort === "string" &&
    view.sort in SORTS &&
    typeof view.filter?.certainty === "number" &&
    ["all", "model", "people"].includes(view.filter.who ?? "") &&
    typeof view.filter.unusual === "boolean" &&
    typeof view.unusualApart === "boolean" &&
    typeof view.size === "number"
  );
}

/** The views that this browser keeps of a project, by name. */
export function savedViews(project: number, storage: Storage = localStorage): View[] {
  try {
    const kept = JSON.parse(storage.getItem(place(project)) ?? "[]") as unknown;
    return Array.isArray(kept) ? kept.filter(isView) : [];
  } catch {
    return [];
  }
}

/** Keep a view; one of the same name is replaced, and of too many the oldest goes. Gives all that are kept. */
export function save(project: number, view: View, storage: Storage = localStorage): View[] {
  // What is most like one cell means nothing without that cell.
  const kept: View = view.sort === "similar" ? { ...view, sort: "uncertain" } : view;
  const others = savedViews(project, storage).filter(({ name }) => name !== view.name);
  return write(project, [...others, kept].slice(-MOST), storage);
}

export function forget(project: number, name: string, storage: Storage = localStorage): View[] {
  return write(
    project,
    savedViews(project, storage).filter((view) => view.name !== name),
    storage,
  );
}

function write(project: number, views: View[], storage: Storage): View[] {
  storage.setItem(place(project), JSON.stringify(views));
  return views;
}

/** A view's filter as the table takes it; a search is no part of a view. */
export const filterOf = ({ filter }: View): Filter => ({ ...EVERYTHING, ...filter });
