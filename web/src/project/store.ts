/**
 * A project as this browser knows it: its cells, what is selected, what was just said about them, and what followed.
 *
 * One store serves all screens of a project. What a person says is shown at once and sent after; the service's word
 * replaces it. Requests go one after the other, each with a name of its own, so that one sent twice counts once.
 */

import { ServiceFault } from "../api/client";
import type { LabelAnswer, LabelRequest } from "../api/types";
import { type Columns, codeOf, labelOf, merged, NONE, noColumns, rowOf } from "../columns/columns";
import type { Heard, ProjectService } from "./service";

/** One thing a person did, to be undone or done again. */
export interface Deed {
  kind: LabelRequest["kind"];
  labelSet: string;
  items: { image: number; before: string | null; after: string | null }[];
  /** Facts that the service made of it; empty until it has answered. */
  facts: number[];
}

/** Something to be told in a quiet line. */
export interface Note {
  id: number;
  kind: "followed" | "conflict" | "fault" | "done";
  text: string;
  /** Of what followed: how many went from one class to another. */
  pairs?: { from: string | null; to: string | null; count: number }[];
  images: number[];
  /** Whether undoing the last deed is what a reader would want to do. */
  undo: boolean;
}

export interface Desk {
  phase: "loading" | "ready" | "failed";
  fault: unknown;
  labelSet: string;
  /** What the service said, with what was said here laid over it. */
  columns: Columns;
  /** Images that wait for the service's word. */
  pending: ReadonlySet<number>;
  /** Where the model moved cells by itself since they were last looked at: from which class. */
  moved: ReadonlyMap<number, number>;
  selection: ReadonlySet<number>;
  chosen: number | null;
  line: "open" | "lost";
  notes: readonly Note[];
  past: readonly Deed[];
  future: readonly Deed[];
  /** Counts up with every event of a kind, for queries that hang on it. */
  heard: Readonly<Record<string, number>>;
}

const NOTES = 3;
/** What the service takes in one request. */
const AT_ONCE = 1000;
const RETRY = [500, 1000, 2000, 4000, 8000, 15_000];

function chunks<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) parts.push(items.slice(from, from + AT_ONCE));
  return parts;
}

/** A fresh name for a request. `crypto.randomUUID` is missing where the page is not served over TLS. */
function requestName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export class ProjectStore {
  private desk: Desk;
  private truth: Columns;
  /** What was said here and waits for the service's word, and in which turn it was said last. */
  private readonly said = new Map<number, { label: string | null; turn: number }>();
  private turn = 0;
  private readonly listeners = new Set<() => void>();
  private queue: Promise<void> = Promise.resolve();
  private refreshing: Promise<void> | null = null;
  private stale = false;
  private taught = false;
  /** Set when a delta would not do: rows are gone, or events were forgotten. */
  private anew = false;
  private notesTold = 0;
  private hangUp: (() => void) | null = null;
  private lastHeard: number | null = null;
  /** Whether a label is asked for again and again, because the line is broken. */
  private insisting = false;
  private listening = false;
  private wake: () => void = () => {};
  private ended = false;

  constructor(
    private readonly service: ProjectService,
    labelSet = "cell_type",
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {
    this.truth = noColumns(labelSet);
    this.desk = {
      phase: "loading",
      fault: null,
      labelSet,
      columns: this.truth,
      pending: new Set(),
      moved: new Map(),
      selection: new Set(),
      chosen: null,
      line: "open",
      notes: [],
      past: [],
      future: [],
      heard: {},
    };
  }

  readonly snapshot = (): Desk => this.desk;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Load the cells and listen to what happens to them; gives what ends it. */
  start(): () => void {
    this.ended = false;
    // Listening starts first: what happens between the two is heard, and read again.
    this.hangUp = this.service.listen(this.lastHeard, this.hear, this.onLine);
    void this.refresh();
    return () => {
      this.ended = true;
      this.hangUp?.();
      this.hangUp = null;
    };
  }

  /** Read by another label set. */
  async useLabelSet(labelSet: string): Promise<void> {
    if (labelSet === this.desk.labelSet) return;
    this.truth = noColumns(labelSet);
    this.said.clear();
    this.set({ labelSet, phase: "loading", columns: this.truth, pending: new Set(), moved: new Map() });
    await this.refresh();
  }

  /** Try again after a failure. */
  readonly retry = (): void => {
    this.set({ phase: "loading", fault: null });
    void this.refresh();
  };

  // --- selection -------------------------------------------------------------------------------------------------

  /** Select these images; `chosen` is the one that the cell panel shows. */
  select(images: Iterable<number>, chosen?: number | null): void {
    const selection = new Set(images);
    const first = selection.values().next().value ?? null;
    this.set({ selection, chosen: chosen === undefined ? first : chosen });
  }

  // --- labels ----------------------------------------------------------------------------------------------------

  /** Give cells a label ('?' for unsure, null to take it back). Shown at once; gives when the service knows it. */
  label(
    images: readonly number[],
    label: string | null,
    kind: LabelRequest["kind"] = label === null ? "clear" : "set",
  ) {
    return this.relabel(
      images.map((image) => [image, label]),
      kind,
    );
  }

  /** Agree with what the model reads of these cells. */
  agree(images: readonly number[]) {
    const { columns } = this.desk;
    const items = images.flatMap((image): [number, string | null][] => {
      const row = rowOf(columns, image);
      if (row < 0 || columns.label[row] !== NONE || columns.predicted[row] === NONE) return [];
      return [[image, labelOf(columns.classes, columns.predicted[row]!)]];
    });
    return this.relabel(items, "agree");
  }

  private relabel(wanted: [number, string | null][], kind: LabelRequest["kind"]): Promise<void> {
    const { columns, labelSet } = this.desk;
    const items = wanted.flatMap(([image, after]) => {
      const row = rowOf(columns, image);
      if (row < 0) return [];
      const before = labelOf(columns.classes, columns.label[row]!);
      return before === after ? [] : [{ image, before, after }];
    });
    if (!items.length) return Promise.resolve();
    const deed: Deed = { kind, labelSet, items, facts: [] };
    this.set({ past: [...this.desk.past, deed], future: [] });
    return this.perform(deed);
  }

  private perform(deed: Deed): Promise<void> {
    const turn = this.say(
      deed.labelSet,
      deed.items.map(({ image, after }) => [image, after]),
    );
    const requests = chunks(deed.items).map((items) => {
      const request = requestName();
      return () =>
        this.service.label({
          request,
          label_set: deed.labelSet,
          kind: deed.kind,
          items: items.map(({ image, after }) => ({ image, label: after, version: this.versionOf(image) })),
        });
    });
    return this.enqueue(deed.labelSet, turn, deed, () => requests);
  }

  /** Take back the last deed. */
  undo(): Promise<void> {
    const deed = this.desk.past.at(-1);
    if (!deed) return Promise.resolve();
    this.set({ past: this.desk.past.slice(0, -1), future: [...this.desk.future, deed], notes: this.settledNotes() });
    const turn = this.say(
      deed.labelSet,
      deed.items.map(({ image, before }) => [image, before]),
    );
    return this.enqueue(deed.labelSet, turn, null, () =>
      chunks(deed.facts).map((facts) => {
        const request = requestName();
        return () => this.service.undo(request, facts);
      }),
    );
  }

  /** Do again what was taken back last. */
  redo(): Promise<void> {
    const deed = this.desk.future.at(-1);
    if (!deed) return Promise.resolve();
    deed.facts = [];
    this.set({ future: this.desk.future.slice(0, -1), past: [...this.desk.past, deed] });
    return this.perform(deed);
  }

  /** Ask one after the other, when everything before has been answered. */
  private enqueue(
    labelSet: string,
    turn: number,
    deed: Deed | null,
    asks: () => (() => Promise<LabelAnswer>)[],
  ): Promise<void> {
    const run = this.queue.then(async () => {
      for (const ask of asks()) {
        const answer = await this.persist(ask);
        if (!answer) break;
        this.answered(labelSet, answer);
        deed?.facts.push(...answer.undo);
      }
      this.settle(turn);
      // What the service refused altogether is nothing to undo.
      if (deed && !deed.facts.length) {
        const others = (other: Deed) => other !== deed;
        this.set({ past: this.desk.past.filter(others), future: this.desk.future.filter(others) });
      }
    });
    this.queue = run;
    return run;
  }

  /** Ask until there is an answer: a broken line loses nothing. Null where the service refused. */
  private async persist(ask: () => Promise<LabelAnswer>): Promise<LabelAnswer | null> {
    for (let times = 0; ; times++) {
      try {
        const answer = await ask();
        this.insisting = false;
        return answer;
      } catch (fault) {
        const passing = fault instanceof ServiceFault && (fault.offline || fault.status >= 500 || fault.status === 429);
        if (!passing || this.ended) {
          const text = fault instanceof ServiceFault ? fault.said : "It was not saved.";
          this.tell({ kind: "fault", text, images: [], undo: false });
          this.insisting = false;
          if (this.listening) this.set({ line: "open" });
          return null;
        }
        this.insisting = true;
        this.set({ line: "lost" });
        const healed = new Promise<void>((done) => {
          this.wake = done;
        });
        await Promise.race([this.pause(RETRY[Math.min(times, RETRY.length - 1)]!), healed]);
      }
    }
  }

  /** Show what was said, where the desk reads by that label set; gives the turn in which it was said. */
  private say(labelSet: string, items: [number, string | null][]): number {
    const turn = ++this.turn;
    if (labelSet === this.desk.labelSet) {
      for (const [image, label] of items) this.said.set(image, { label, turn });
      this.show();
    }
    return turn;
  }

  private answered(labelSet: string, answer: LabelAnswer): void {
    if (this.desk.line === "lost") this.set({ line: "open" });
    if (labelSet === this.desk.labelSet) this.apply([...answer.facts, ...answer.conflicts]);
    const count = answer.conflicts.length;
    if (!count) return;
    this.tell({
      kind: "conflict",
      text: `${count === 1 ? "A cell was" : `${count} cells were`} labelled by someone else meanwhile; their word stands.`,
      images: answer.conflicts.map(({ image }) => image),
      undo: false,
    });
  }

  private settle(turn: number): void {
    // What was said again since then still waits, also where it is the same word: between the two lies another.
    for (const [image, said] of this.said) if (said.turn <= turn) this.said.delete(image);
    this.show();
  }

  private versionOf(image: number): number {
    const row = rowOf(this.truth, image);
    return row < 0 ? 0 : this.truth.version[row]!;
  }

  // --- what the service says -------------------------------------------------------------------------------------

  private readonly hear = ({ id, kind, data }: Heard): void => {
    if (id !== null) this.lastHeard = id;
    if (kind === "labels") {
      const facts = data.facts as { image: number; label_set: string; label: string | null; version: number }[];
      this.apply((facts ?? []).filter((fact) => fact.label_set === this.desk.labelSet));
      this.show();
    }
    if (kind === "taught" && (data.label_set ?? this.desk.labelSet) === this.desk.labelSet) {
      this.taught = true;
      void this.refresh();
    }
    if (kind === "missed" || data.removed) this.anew = true;
    if (["images", "readings", "settings", "label_set", "missed"].includes(kind)) void this.refresh();
    this.set({ heard: { ...this.desk.heard, [kind]: (this.desk.heard[kind] ?? 0) + 1 } });
  };

  private readonly onLine = (open: boolean): void => {
    const healed = open && this.desk.line === "lost";
    this.listening = open;
    if (open) this.wake();
    // While a label still waits for its answer the page says so, whatever else is heard.
    this.set({ line: open && !this.insisting ? "open" : "lost" });
    if (healed) void this.refresh();
  };

  private apply(facts: { image: number; label: string | null; version: number }[]): void {
    const label = this.truth.label.slice();
    const version = this.truth.version.slice();
    for (const fact of facts) {
      const row = rowOf(this.truth, fact.image);
      if (row < 0 || fact.version < version[row]!) continue;
      label[row] = codeOf(this.truth.classes, fact.label);
      version[row] = fact.version;
    }
    this.truth = { ...this.truth, label, version };
  }

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
    const { labelSet, phase } = this.desk;
    const taught = this.taught;
    this.taught = false;
    try {
      const since = phase === "ready" && !this.anew ? this.truth.revision : null;
      this.anew = false;
      const fresh = await this.service.columns(labelSet, since);
      if (labelSet !== this.desk.labelSet) return;
      const before = this.desk.columns;
      const known = this.truth;
      this.truth = merged(known, fresh);
      this.keepNewer(known, fresh);
      if (!fresh.full && this.truth.count !== fresh.total) this.anew = this.stale = true;
      this.set({ phase: "ready", fault: null });
      this.show();
      if (phase === "ready") this.follow(before, taught);
      // A burst of readings is shown a few times a second, not once for each.
      await this.pause(phase === "ready" ? 250 : 0);
    } catch (fault) {
      if (labelSet !== this.desk.labelSet) return;
      if (phase === "ready") {
        if (fault instanceof ServiceFault && fault.offline) this.set({ line: "lost" });
        this.taught ||= taught;
        return;
      }
      if (fault instanceof ServiceFault && fault.offline) {
        this.set({ line: "lost" });
        await this.pause(2000);
        if (!this.ended) this.stale = true;
        return;
      }
      this.set({ phase: "failed", fault });
    }
  }

  /** An answer, whole or not, may have been made before a label that we know of. */
  private keepNewer(known: Columns, fresh: Columns): void {
    const facts: { image: number; label: string | null; version: number }[] = [];
    for (let row = 0; row < fresh.count; row++) {
      const image = fresh.id[row]!;
      const was = rowOf(known, image);
      if (was < 0 || fresh.version[row]! >= known.version[was]!) continue;
      facts.push({ image, label: labelOf(known.classes, known.label[was]!), version: known.version[was]! });
    }
    if (facts.length) this.apply(facts);
  }

  /** Note which cells the model moved by itself. */
  private follow(before: Columns, taught: boolean): void {
    const now = this.desk.columns;
    const moved = new Map(this.desk.moved);
    const pairs = new Map<string, { from: string | null; to: string | null; count: number }>();
    const images: number[] = [];
    // Cells whose label was just taken back return to where they were: that is the undoing, nobody followed.
    const undone = new Set(this.desk.future.at(-1)?.items.map(({ image }) => image));
    let old = 0;
    for (let row = 0; row < now.count; row++) {
      const id = now.id[row]!;
      while (old < before.count && before.id[old]! < id) old++;
      if (old >= before.count || before.id[old] !== id || undone.has(id)) continue;
      const from = before.predicted[old]!;
      const to = now.predicted[row]!;
      if (now.label[row] !== NONE) moved.delete(id);
      if (from === to || from === NONE || to === NONE || now.label[row] !== NONE) continue;
      const origin = moved.get(id) ?? from;
      if (origin === to) moved.delete(id);
      else moved.set(id, origin);
      images.push(id);
      const key = `${from} ${to}`;
      const pair = pairs.get(key) ?? { from: labelOf(now.classes, from), to: labelOf(now.classes, to), count: 0 };
      pair.count++;
      pairs.set(key, pair);
    }
    this.set({ moved });
    if (!images.length) return;
    this.tell({
      kind: "followed",
      text: images.length === 1 ? "1 cell followed" : `${images.length} cells followed`,
      pairs: [...pairs.values()].sort((a, b) => b.count - a.count),
      images,
      undo: taught && this.desk.past.length > 0,
    });
  }

  /** The moves have been looked at: they are readings like any other. */
  readonly settleMoves = (): void => {
    if (this.desk.moved.size) this.set({ moved: new Map() });
  };

  // --- notes -----------------------------------------------------------------------------------------------------

  tell(note: Omit<Note, "id">): void {
    this.notesTold++;
    const others = this.desk.notes.filter((other) => other.kind !== note.kind || note.kind === "fault");
    this.set({ notes: [...others, { ...note, id: this.notesTold }].slice(-NOTES) });
  }

  readonly dismiss = (id: number): void => {
    this.set({ notes: this.desk.notes.filter((note) => note.id !== id) });
  };

  private settledNotes(): readonly Note[] {
    return this.desk.notes.filter((note) => !note.undo);
  }

  // --- inside ----------------------------------------------------------------------------------------------------

  /** Lay what was said here over what the service said. */
  private show(): void {
    let columns = this.truth;
    if (this.said.size) {
      const label = columns.label.slice();
      for (const [image, said] of this.said) {
        const row = rowOf(columns, image);
        if (row >= 0) label[row] = codeOf(columns.classes, said.label);
      }
      columns = { ...columns, label };
    }
    this.set({ columns, pending: new Set(this.said.keys()) });
  }

  private set(change: Partial<Desk>): void {
    this.desk = { ...this.desk, ...change };
    for (const listener of this.listeners) listener();
  }
}
