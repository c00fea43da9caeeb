/** What the desk says to the ear after a key: the label given, taken back or undone, and how many cells are selected. */

import type { ClassShown as Mark } from "../api/schema";
import type { Edit, ProjectState } from "./state";

/** What is compared before and after a key. */
export interface Heard extends Pick<ProjectState, "past" | "future" | "case"> {
  conflicts: number;
  selected: number;
}

const cells = (count: number) => (count === 1 ? "1 cell" : `${count.toLocaleString("en")} cells`);

function words(edit: Edit, classes: readonly Pick<Mark, "name" | "title">[]): string {
  const [first] = edit.items;
  const which = edit.items.length === 1 && first ? `Cell ${first.image}` : cells(edit.items.length);
  if (edit.kind === "tag") return `${which}: ${edit.on ? `tagged ${edit.tag}` : `tag ${edit.tag} taken off`}`;
  const labels = new Set(edit.items.map(({ after }) => after));
  if (labels.size !== 1) return `${which}: ${edit.kind === "agree" ? "agreed with the model" : "labelled"}`;
  const [label] = labels;
  if (label === null) return `${which}: label taken back`;
  if (label === "?") return `${which}: labelled unsure`;
  return `${which}: labelled ${classes.find(({ name }) => name === label)?.title ?? label}`;
}

/** What to say of what changed between two states; null where it is nothing of the person's own doing. */
export function heard(before: Heard, now: Heard, classes: readonly Pick<Mark, "name" | "title">[]): string | null {
  // Another case has a past of its own.
  if (before.case !== now.case) return null;
  const last = now.past.at(-1);
  if (last && now.past.length > before.past.length && !before.past.includes(last))
    return `${before.future.includes(last) ? "Done again: " : ""}${words(last, classes)}`;
  const undone = now.future.at(-1);
  if (undone && now.future.length > before.future.length && before.past.includes(undone))
    return `Undone: ${words(undone, classes)}`;
  if (before.conflicts > 0 && now.conflicts === 0)
    return before.conflicts === 1 ? "The other label is kept" : "The other labels are kept";
  if (now.selected > 1 && now.selected !== before.selected) return `${cells(now.selected)} selected`;
  return null;
}
