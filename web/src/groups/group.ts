/** A group that is labelled on the word of a sample: the search for its border, and what the service is asked. */

import { api, body } from "../api/client";
import type { GroupShown, LabelAnswer } from "../api/schema";
import { requestName } from "../project/sender";

/** Cells that are shown to find which way the border lies. */
const AROUND = 3;
/** The search ends where what is left is this share of the group. */
const NARROW = 0.1;
/** Cells of one group that the service takes, and labels that one request undoes. */
const MOST = 20_000;
const AT_ONCE = 1000;

/** Sizes of samples, and the bound of an endless group where every cell of the sample is right. */
export const SAMPLES = [
  { size: 30, bound: 90 },
  { size: 59, bound: 95 },
  { size: 299, bound: 99 },
];

/** The border lies somewhere from `low` to `high` cells; `cells` is how many there are. It begins at the last ones. */
export interface Search {
  cells: number;
  low: number;
  high: number;
  last: boolean;
}

export const begun = (cells: number): Search => ({ cells, low: 0, high: cells, last: true });

/** Places of the cells that are looked at now, in the order of likeness. */
export function looked({ cells, low, high, last }: Search): number[] {
  const middle = last ? cells - AROUND + 1 : Math.floor((low + high) / 2);
  return Array.from({ length: AROUND }, (_, at) => middle - 1 + at).filter((place) => place >= 0 && place < cells);
}

/** What is left after an answer: whether all cells that were shown are of the type. */
export function narrowed(search: Search, all: boolean): Search {
  const { cells, low, high, last } = search;
  if (last) return all ? { ...search, low: cells, high: cells } : { ...search, last: false };
  const middle = Math.floor((low + high) / 2);
  return all ? { ...search, low: middle } : { ...search, high: middle };
}

export const ended = ({ cells, low, high, last }: Search): boolean =>
  !(last && low < high) && high - low <= Math.max(AROUND, NARROW * cells);

/** A bound in words; rounded down, so that it holds. */
export const percent = (bound: number): string => `${(Math.floor(1000 * bound + 1e-9) / 10).toFixed(1)}%`;

/** What is told of a conflict: what stands on a cell of the sample. */
export type Conflict = LabelAnswer["conflicts"][number];

export const groupsOf = (project: number, labelSet: string) => {
  const path = { project };
  const one = (group: number) => ({ path: { project, group } });
  return {
    order: (images: readonly number[]) =>
      body(
        api.POST("/projects/{project}/groups/order", {
          params: { path },
          body: { label_set: labelSet, images: images.slice(0, MOST) },
        }),
      ),
    draw: (images: readonly number[], label: string, sample: number) =>
      body(
        api.POST("/projects/{project}/groups", {
          params: { path },
          body: { label_set: labelSet, images: [...images], label, sample },
        }),
      ),
    /** The sample of this label set that is open; null where none is. */
    open: async (): Promise<GroupShown | null> => {
      const found = await body(api.GET("/projects/{project}/groups", { params: { path, query: { own: true } } }));
      return found.items.find((group) => group.label_set === labelSet) ?? null;
    },
    get: (group: number) => body(api.GET("/projects/{project}/groups/{group}", { params: one(group) })),
    accept: (group: number, bound: number) =>
      body(api.POST("/projects/{project}/groups/{group}/accept", { params: one(group), body: { bound } })),
    giveUp: (group: number) => body(api.POST("/projects/{project}/groups/{group}/give-up", { params: one(group) })),
    answer: (image: number, label: string, version: number): Promise<LabelAnswer> =>
      body(
        api.POST("/projects/{project}/labels", {
          params: { path },
          body: { request: requestName(), label_set: labelSet, kind: "set", items: [{ image, label, version }] },
        }),
      ),
    undo: async (labels: readonly number[]): Promise<void> => {
      for (let from = 0; from < labels.length; from += AT_ONCE)
        await body(
          api.POST("/projects/{project}/labels/undo", {
            params: { path },
            body: { request: requestName(), labels: labels.slice(from, from + AT_ONCE) },
          }),
        );
    },
  };
};
