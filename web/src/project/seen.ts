/** Which label of a cell a person had before their eyes when they pressed a key. */

/** Milliseconds that another person's label has to be on the screen before a key press can be an answer to it. */
export const REACTION = 300;

/** One press: what was seen of each cell, and which records the service made of it. */
export interface Press {
  /** Version of the label that was shown; where that was an unsaved label of one's own, the press that gave it. */
  seen: Map<number, number | Press>;
  made: Map<number, number>;
}

/** The version that was seen, once all presses before have been answered. */
export function seenVersion(press: Press, image: number): number {
  const before = press.seen.get(image) ?? 0;
  if (typeof before === "number") return before;
  // A press that was refused leaves what was seen before it: the service then refuses this one as well.
  return before.made.get(image) ?? seenVersion(before, image);
}

/** Labels of others that have only just arrived, with the version that was shown before. */
export class Arrivals {
  private readonly recent = new Map<number, { before: number; at: number }>();

  constructor(private readonly now: () => number) {}

  note(image: number, before: number): void {
    const at = this.now();
    this.recent.set(image, { before: this.seen(image, before), at });
    if (this.recent.size > 1000)
      for (const [old, arrival] of this.recent) if (at - arrival.at >= REACTION) this.recent.delete(old);
  }

  /** The version that a person can have seen by now; `version` is the one on the screen. */
  seen(image: number, version: number): number {
    const arrival = this.recent.get(image);
    return arrival && this.now() - arrival.at < REACTION ? arrival.before : version;
  }

  /** These are on the screen with words of their own. */
  forget(image: number): void {
    this.recent.delete(image);
  }
}
