/**
 * How many slices a cloud is drawn in, so that the map follows the hand.
 *
 * A screen shows frames every 16.7 ms or a multiple of it, so that a frame is in time or it is late: nothing between
 * tells how close it was. After a late one the share that is drawn shrinks at once, in proportion; it grows again a
 * little at a time, and only when frames have been in time for a while, or every few frames would be late ones.
 */

/** A 32-bit stride may be 255 bytes at most. */
export const MOST_SLICES = 63;
/** Later than this (ms) is late: 30 frames a second, and a little room for a clock that jitters. */
const LATE = 30;
/** Sooner than this (ms) is in time on a screen of 60 frames a second. */
const IN_TIME = 18.5;
/** Longer than this (ms) and nobody moved the map meanwhile. */
const REST = 250;
/** Frames in time that are waited for after a late one, and from then on between two steps. */
const PATIENCE = 24;
const STEP = 4;

export class Pace {
  slices = 1;
  private wait = 0;

  /** Begin anew with a cloud of so many points. */
  begin(count: number): void {
    this.slices = Math.min(MOST_SLICES, Math.max(1, Math.round(count / 50_000)));
    this.wait = 0;
  }

  /** Take note that the last frame of a moving map took so many milliseconds. */
  took(interval: number): void {
    if (interval >= REST) return;
    if (interval > LATE) {
      this.slices = Math.min(MOST_SLICES, Math.ceil(this.slices * Math.min(2, Math.max(1.2, interval / LATE))));
      this.wait = PATIENCE;
    } else if (interval < IN_TIME && --this.wait < 0) {
      this.slices = Math.max(1, Math.floor(this.slices * 0.95));
      this.wait = STEP;
    }
  }
}
