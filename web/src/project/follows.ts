/** Which of a project's events make which answers of the service old: all in this one place. */

import { useProjectState } from "./context";
import type { EventKind } from "./service";

/** After which a case is signed otherwise. */
const SIGNED = ["signature", "case", "settings"] as const;

/** By what an answer is about. That events were missed makes every answer old, so it stands nowhere. */
const FOLLOWED = {
  /** Labels, readings, tags and comments of one cell; its columns say the rest. */
  cell: ["comment"],
  comments: ["comment", "images", "case"],
  doubts: ["taught", "labels", "case", "images", "signature"],
  drift: ["signature", "profile", "case"],
  familiarity: ["taught", "labels", "readings", "profile", "case", "images"],
  fields: ["images"],
  findings: ["case", "signature", "images"],
  known: ["signature", "case", "teaching"],
  labelSets: ["label_set"],
  /** How well each is read, and how many labels it has: the service finds that out anew, which takes a while. */
  labelSetScores: ["taught"],
  library: ["teaching", "labels", "images", "case"],
  /** The cells as another label set than the shown one reads them. */
  otherSet: ["taught", "labels", "readings", "images", "case", "label_set"],
  profiles: ["profile", "readings", "case", "images"],
  /** Which cells have no label, and can be asked about. */
  queue: ["labels", "readings", "images", "case", "label_set"],
  report: ["labels", "taught", "signature", "readings", "images", "case", "label_set"],
  reviews: ["labels", "images", "case"],
  /** How the cells are ranked, and which there are. A look without a label makes no event. */
  search: ["labels", "taught", "readings", "images", "case", "label_set"],
  settings: ["settings"],
  signing: SIGNED,
  /** Its checks count the cells. */
  signingChecks: [...SIGNED, "labels", "taught", "readings", "images", "label_set", "profile"],
  tags: ["tags", "images"],
  teaching: ["teaching"],
  typeHistory: ["label_set"],
  worklist: ["case", "images", "readings", "labels", "taught", "signature", "settings", "profile"],
} satisfies Record<string, readonly EventKind[]>;

export type Followed = keyof typeof FOLLOWED;

/** Changes with every event that makes such an answer old; it belongs in the name of the question. */
export function useFollowed(what: Followed): string {
  return useProjectState(({ events }) => followed(what, events));
}

export const followed = (what: Followed, events: Readonly<Partial<Record<EventKind, number>>>): string =>
  [...FOLLOWED[what], "missed" as const].map((kind) => events[kind] ?? 0).join();
