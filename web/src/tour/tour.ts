/** A tour of one minute: six things to do on drawn cells, each seen by what it changes. */

import { tabStorage } from "../app/storage";
import type { ProjectState } from "../project/state";

/** What a step looks at. */
export interface Seen {
  state: Pick<ProjectState, "columns" | "chosen" | "past" | "future">;
  /** The part of the address behind the project: "" for the table. */
  screen: string;
}

export interface Step {
  say: string;
  done: (seen: Seen) => boolean;
}

export const STEPS: readonly Step[] = [
  {
    say: "Press “try 200 drawn cells”. They are drawn from nothing and are nobody's; they fall into bins as they are read.",
    done: ({ state }) => state.columns.count > 0,
  },
  {
    say: "Click a cell, or walk to one with the arrow keys. The column on the right says what is known of it.",
    done: ({ state }) => state.chosen !== null,
  },
  {
    say: "Say what it is: press a type's letter, such as M. The cell goes to that bin and gets a solid frame.",
    done: ({ state }) => state.past.some(({ kind }) => kind === "set"),
  },
  {
    say: "Take it back with Ctrl+Z. Where others had followed your label, they go back as well.",
    done: ({ state }) => state.future.length > 0,
  },
  {
    say: "Look through a bin, then press “agree with all” at its head: the rest of it is labelled as read.",
    done: ({ state }) => state.past.some(({ kind, items }) => kind === "agree" && items.length > 1),
  },
  {
    say: "Open “Report”, among the tabs above: the differential counts your labels and, until you have looked, the model's readings.",
    done: ({ screen }) => screen === "/report",
  },
];

/** The step after those that are done, beginning at one; as many as there are when all are. */
export function reached(from: number, seen: Seen): number {
  let at = from;
  while (at < STEPS.length && STEPS[at]!.done(seen)) at++;
  return at;
}

const NAME = "hemosight.tour";

/** Where the tour of a project stands in this tab; null where none is under way. */
export function kept(project: number): number | null {
  const [of, at] = (tabStorage.getItem(NAME) ?? "").split(" ");
  return of === String(project) && at !== undefined && Number.isInteger(Number(at)) ? Number(at) : null;
}

export function keep(project: number, at: number | null): void {
  if (at === null) tabStorage.removeItem(NAME);
  else tabStorage.setItem(NAME, `${project} ${at}`);
  for (const listener of listeners) listener();
}

const listeners = new Set<() => void>();

export function follow(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
