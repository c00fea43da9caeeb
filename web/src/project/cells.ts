/** The cells as the service holds them, and laid over them the labels that were given here and are not saved yet. */

import type { LabelOfEvent } from "../api/schema";
import { type Columns, codeOf, labelOf, noColumns, ofCase, rowOf } from "../columns/columns";
import { Arrivals, type Press } from "./seen";
import type { StateHolder } from "./state";

export class Cells {
  /** What the service has said last. */
  truth: Columns;
  /** Labels given here that are not saved yet, and in which turn each was given last. */
  private readonly unsaved = new Map<number, { label: string | null; turn: number; press: Press }>();
  private readonly arrivals: Arrivals;
  private turn = 0;

  constructor(
    private readonly holder: StateHolder,
    now: () => number,
  ) {
    this.arrivals = new Arrivals(now);
    this.truth = holder.snapshot().columns;
  }

  /** Begin anew, by another label set. */
  clear(labelSet: string): void {
    this.truth = noColumns(labelSet);
    this.unsaved.clear();
  }

  /** Another person's label of this cell is on the screen with words of its own. */
  forget(image: number): void {
    this.arrivals.forget(image);
  }

  /** Show labels before they are saved, where the screen shows that label set; returns their turn. */
  showUnsaved(labelSet: string, items: [number, string | null][], press: Press): number {
    const turn = ++this.turn;
    if (labelSet === this.holder.snapshot().labelSet) {
      for (const [image, label] of items) this.unsaved.set(image, { label, turn, press });
      this.show();
    }
    return turn;
  }

  settle(turn: number): void {
    // A label given again since then still waits, even an equal one: another may lie between the two.
    for (const [image, said] of this.unsaved) if (said.turn <= turn) this.unsaved.delete(image);
    this.show();
  }

  /** What a person has before their eyes at this moment: kept with the label, however late it is sent. */
  pressed(labelSet: string, images: readonly number[]): Press {
    const press: Press = { seen: new Map(), made: new Map() };
    for (const image of images) press.seen.set(image, this.shownVersion(labelSet, image));
    return press;
  }

  private shownVersion(labelSet: string, image: number): number | Press {
    if (labelSet !== this.holder.snapshot().labelSet) return 0;
    const unsaved = this.unsaved.get(image);
    if (unsaved) return unsaved.press;
    const row = rowOf(this.truth, image);
    return row < 0 ? 0 : this.arrivals.seen(image, this.truth.version[row]!);
  }

  /** Another person's label is about to replace one on the screen. */
  arriving(image: number, before: number, after: number): void {
    if (after > before && !this.unsaved.has(image)) this.arrivals.note(image, before);
  }

  arrived(labels: LabelOfEvent[]): void {
    for (const { image, version } of labels) {
      const row = rowOf(this.truth, image);
      if (row >= 0) this.arriving(image, this.truth.version[row]!, version);
    }
    this.apply(labels);
  }

  /** Take over labels that stand; `user` is who gave them, where that is known here. */
  apply(labels: { image: number; label: string | null; version: number; user?: number | null }[]): void {
    const label = this.truth.label.slice();
    const version = this.truth.version.slice();
    const labelled_by = this.truth.labelled_by.slice();
    for (const one of labels) {
      const row = rowOf(this.truth, one.image);
      if (row < 0 || one.version < version[row]!) continue;
      label[row] = codeOf(this.truth.classes, one.label);
      if (one.user !== undefined || one.version > version[row]!) labelled_by[row] = one.user ?? -1;
      version[row] = one.version;
    }
    this.truth = { ...this.truth, label, version, labelled_by };
  }

  /** An answer, whole or not, may have been made before a label that we know of. */
  keepNewer(known: Columns, fresh: Columns): void {
    const labels: { image: number; label: string | null; version: number; user: number }[] = [];
    for (let row = 0; row < fresh.count; row++) {
      const image = fresh.id[row]!;
      const was = rowOf(known, image);
      if (was < 0 || fresh.version[row]! >= known.version[was]!) continue;
      const [version, user] = [known.version[was]!, known.labelled_by[was]!];
      labels.push({ image, label: labelOf(known.classes, known.label[was]!), version, user });
    }
    if (labels.length) this.apply(labels);
  }

  /** Lay labels that are not saved yet over the service's columns. */
  show(): void {
    let columns = this.truth;
    if (this.unsaved.size) {
      const label = columns.label.slice();
      for (const [image, said] of this.unsaved) {
        const row = rowOf(columns, image);
        if (row >= 0) label[row] = codeOf(columns.classes, said.label);
      }
      columns = { ...columns, label };
    }
    let withoutCase = 0;
    for (let row = 0; row < columns.count; row++) if (columns.case[row] === -1) withoutCase++;
    this.holder.set({
      columns: ofCase(columns, this.holder.snapshot().case),
      withoutCase,
      pending: new Set(this.unsaved.keys()),
    });
  }
}
