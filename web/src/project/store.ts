/**
 * A project as this browser knows it: its cells, the selection, labels just given, and what the model moved.
 *
 * One store serves all screens of a project. A label is shown at once and saved after (`edits.ts`, `sender.ts`); the
 * service's answer replaces it (`cells.ts`). Requests go one after the other, each with a number of its own, so that one
 * sent twice counts once.
 */

import type { LiveEvent, NewLabels } from "../api/schema";
import type { Columns } from "../columns/columns";
import { merged, rowOf } from "../columns/columns";
import { Cells } from "./cells";
import { Edits, type Send } from "./edits";
import { type EditMemory, FORGETFUL } from "./memory";
import { moves } from "./moves";
import { isOffline, isPassing, Sender, waitAfter } from "./sender";
import type { ProjectService } from "./service";
import { type Note, type ProjectState, StateHolder } from "./state";

export class ProjectStore {
  private readonly holder: StateHolder;
  private readonly cells: Cells;
  private readonly sender: Sender;
  private readonly edits: Edits;
  private refreshing: Promise<void> | null = null;
  private stale = false;
  private taught = false;
  /** Set when a delta would not do: rows are gone, or events were forgotten. */
  private anew = false;
  /** How often in a row the service could not be asked. */
  private failures = 0;
  private wake: () => void = () => {};
  private stopListening: (() => void) | null = null;
  private lastEvent: number | null = null;
  private ended = false;

  constructor(
    private readonly service: ProjectService,
    labelSet = "cell_type",
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
    now: () => number = () => performance.now(),
    memory: EditMemory = FORGETFUL,
  ) {
    this.holder = new StateHolder(labelSet);
    this.cells = new Cells(this.holder, now);
    this.sender = new Sender(this.holder, pause, () => this.ended);
    this.edits = new Edits(service, this.holder, this.cells, this.sender, memory);
    this.holder.set({ past: this.edits.recalled(null) });
  }

  readonly snapshot = (): ProjectState => this.holder.snapshot();

  readonly subscribe = (listener: () => void): (() => void) => this.holder.subscribe(listener);

  /** Load the cells and listen to what happens to them; gives what ends it. */
  start(): () => void {
    this.ended = false;
    // Listening starts first: what happens between the two comes as an event, and is read again.
    this.stopListening = this.service.listen(this.lastEvent, this.onEvent, this.onConnection);
    void this.refresh();
    return () => {
      this.ended = true;
      this.stopListening?.();
      this.stopListening = null;
    };
  }

  /** Read by another label set. Resolves when its cells and classes are there; false where they do not come. */
  async useLabelSet(labelSet: string): Promise<boolean> {
    if (labelSet !== this.snapshot().labelSet) {
      this.cells.clear(labelSet);
      this.holder.set({ labelSet, phase: "loading", columns: this.cells.truth, pending: new Set(), moved: new Map() });
      void this.refresh();
      this.wake();
    }
    // An answer that is under way is one of the label set before.
    await this.holder.until((state) => state.labelSet !== labelSet || state.phase !== "loading");
    const { labelSet: shown, phase } = this.snapshot();
    return shown === labelSet && phase === "ready";
  }

  /** Take another case in hand. What was done in the one before stays done, and is undone there alone. */
  useCase(wanted: number | null): void {
    if (wanted === this.snapshot().case) return;
    const nothing = { selection: new Set<number>(), chosen: null, moved: new Map(), notes: [], future: [] };
    this.holder.set({ case: wanted, ...nothing, past: this.edits.recalled(wanted) });
    this.cells.show();
  }

  /** Try again after a failure. */
  readonly retry = (): void => {
    this.holder.set({ phase: "loading", fault: null });
    void this.refresh();
  };

  // --- selection -------------------------------------------------------------------------------------------------

  /** Select these images; `chosen` is the one that the cell panel shows. */
  select(images: Iterable<number>, chosen?: number | null): void {
    const selection = new Set(images);
    const first = selection.values().next().value ?? null;
    this.holder.set({ selection, chosen: chosen === undefined ? first : chosen });
  }

  // --- labels ----------------------------------------------------------------------------------------------------

  /** Give cells a label ('?' for unsure, null to take it back). Shown at once; resolves when it is saved. */
  label(images: readonly number[], label: string | null, kind?: NewLabels["kind"], send?: Send): Promise<void> {
    return this.edits.label(images, label, kind, send);
  }

  /** Agree with what the model reads of these cells. */
  agree(images: readonly number[]): Promise<void> {
    return this.edits.agree(images);
  }

  /** Put a tag on cells, or take it off. Resolves when it is saved. */
  tag(images: readonly number[], tag: string, on: boolean): Promise<void> {
    return this.edits.tag(images, tag, on);
  }

  /** End the conflicts: keep the labels that stand, or give one's own again, knowing the others. */
  resolveConflicts(own: boolean): Promise<void> {
    return this.edits.resolveConflicts(own);
  }

  /** Undo the last edit. */
  undo(): Promise<void> {
    return this.edits.undo();
  }

  /** Redo what was undone last. */
  redo(): Promise<void> {
    return this.edits.redo();
  }

  notify(note: Omit<Note, "id">): void {
    this.holder.notify(note);
  }

  readonly dismiss = (id: number): void => this.holder.dismiss(id);

  // --- what the service says -------------------------------------------------------------------------------------

  private readonly onEvent = (event: LiveEvent, id: number | null): void => {
    if (id !== null) this.lastEvent = id;
    switch (event.kind) {
      case "labels":
        this.cells.arrived(event.labels.filter(({ label_set }) => label_set === this.snapshot().labelSet));
        this.cells.show();
        break;
      case "taught":
        if (event.label_set !== this.snapshot().labelSet) break;
        this.taught = true;
        void this.refresh();
        break;
      case "images":
      case "missed":
        if (event.kind === "missed" || (event.removed ?? 0) > 0) this.anew = true;
        void this.refresh();
        break;
      case "readings":
      case "settings":
      case "case":
      case "profile":
      case "signature":
      case "label_set":
        void this.refresh();
        break;
    }
    const { events } = this.snapshot();
    this.holder.set({ events: { ...events, [event.kind]: (events[event.kind] ?? 0) + 1 } });
  };

  private readonly onConnection = (open: boolean): void => {
    if (!this.sender.connection(open)) return;
    void this.refresh();
    this.wake();
  };

  /** Ask for what is new. Calls that come while one is under way are answered by one more. */
  refresh(): Promise<void> {
    if (this.refreshing) {
      this.stale = true;
      return this.refreshing;
    }
    this.refreshing = this.fetchNew().finally(() => {
      this.refreshing = null;
      if (this.stale && !this.ended) {
        this.stale = false;
        void this.refresh();
      }
    });
    return this.refreshing;
  }

  private async fetchNew(): Promise<void> {
    const { labelSet, phase } = this.snapshot();
    const { taught, anew } = this;
    this.taught = this.anew = false;
    try {
      const since = phase === "ready" && !anew ? this.cells.truth.event : null;
      const fresh = await this.service.columns(labelSet, since);
      this.failures = 0;
      this.sender.reached();
      if (labelSet !== this.snapshot().labelSet) return;
      const before = this.snapshot().columns;
      const known = this.cells.truth;
      if (phase === "ready")
        for (let row = 0; row < fresh.count; row++) {
          const was = rowOf(known, fresh.id[row]!);
          if (was >= 0) this.cells.arriving(fresh.id[row]!, known.version[was]!, fresh.version[row]!);
        }
      this.cells.truth = merged(known, fresh);
      this.cells.keepNewer(known, fresh);
      if (!fresh.full && this.cells.truth.count !== fresh.total) this.anew = this.stale = true;
      this.holder.set({ phase: "ready", fault: null });
      this.cells.show();
      if (phase === "ready") this.follow(before, taught);
      // A burst of readings is shown a few times a second, not once for each.
      await this.pause(phase === "ready" ? 250 : 0);
    } catch (fault) {
      if (labelSet !== this.snapshot().labelSet) return;
      this.taught ||= taught;
      this.anew ||= anew;
      // Whoever waits for the first cells is told what ails the service; whoever has them works on.
      if (isOffline(fault) || (phase === "ready" && isPassing(fault))) await this.rest();
      else {
        // It has answered, and nobody tries again.
        this.failures = 0;
        this.sender.reached();
        if (phase !== "ready") this.holder.set({ phase: "failed", fault });
      }
    }
  }

  /** Wait, then ask again; a mended line and another label set end the wait. */
  private async rest(): Promise<void> {
    this.holder.set({ connection: "lost" });
    const woken = new Promise<void>((done) => {
      this.wake = done;
    });
    await Promise.race([this.pause(waitAfter(this.failures++)), woken]);
    if (!this.ended) this.stale = true;
  }

  /** Note which cells the model moved by itself. */
  private follow(before: Columns, taught: boolean): void {
    const { columns, moved: known, future, past } = this.snapshot();
    const undone = new Set(future.at(-1)?.items.map(({ image }) => image));
    const { moved, images, pairs } = moves(before, columns, known, undone);
    this.holder.set({ moved });
    if (!images.length) return;
    this.notify({
      kind: "followed",
      text: images.length === 1 ? "1 cell followed" : `${images.length} cells followed`,
      pairs,
      images,
      undo: taught && past.length > 0,
    });
  }

  /** The moves have been looked at: they are readings like any other. */
  readonly settleMoves = (): void => {
    if (this.snapshot().moved.size) this.holder.set({ moved: new Map() });
  };
}
