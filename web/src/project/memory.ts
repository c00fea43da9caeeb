/** Edits that can still be undone, kept by this tab: a reload, or another case and back, takes none of them away. */

import { type Kept, tabStorage } from "../app/storage";
import type { Edit } from "./state";

/** How many edits of a case are kept, and cells of all of them together. */
const EDITS = 50;
const CELLS = 20_000;

export interface EditMemory {
  read(inHand: number | null): Edit[];
  write(inHand: number | null, past: readonly Edit[]): void;
}

/** Keeps nothing: for tests, and where the browser has no room. */
export const FORGETFUL: EditMemory = { read: () => [], write: () => {} };

/** A tab's own memory of what one person did in one project. */
export function memoryOf(user: number, project: number, storage: Kept = tabStorage): EditMemory {
  const name = (inHand: number | null) => `hemosight.undo.${user}.${project}.${inHand ?? "all"}`;
  return {
    read: (inHand) => {
      try {
        const kept = JSON.parse(storage.getItem(name(inHand)) ?? "[]") as unknown;
        return Array.isArray(kept) ? kept.filter(isEdit) : [];
      } catch {
        return [];
      }
    },
    write: (inHand, past) => {
      // What the service has not answered yet has no records to take back.
      const saved = past.filter(({ records }) => records.length > 0).slice(-EDITS);
      let cells = saved.reduce((sum, { items }) => sum + items.length, 0);
      while (cells > CELLS) cells -= saved.shift()!.items.length;
      try {
        if (saved.length) storage.setItem(name(inHand), JSON.stringify(saved));
        else storage.removeItem(name(inHand));
      } catch {
        // No room, or no storage at all: undo begins anew after a reload, as without it.
      }
    },
  };
}

const isEdit = (value: unknown): value is Edit => {
  const edit = value as { labelSet?: unknown; tag?: unknown; items?: unknown; records?: unknown } | null;
  const named = typeof edit?.labelSet === "string" || typeof edit?.tag === "string";
  return named && Array.isArray(edit?.items) && Array.isArray(edit?.records);
};
