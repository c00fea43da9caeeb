/** What the screens of a project draw, and who is told when it changes. */

import type { NewLabels } from "../api/schema";
import { type Columns, noColumns } from "../columns/columns";
import type { EventKind } from "./service";

/** One step of labelling, to be undone or redone as a whole. */
export interface LabelEdit {
  kind: NewLabels["kind"];
  labelSet: string;
  items: { image: number; before: string | null; after: string | null }[];
  /** Label records that the service made of it; empty until it has answered. */
  records: number[];
}

/** One step of tagging: undone and redone in its turn with the labels. */
export interface TagEdit {
  kind: "tag";
  tag: string;
  /** Whether it was put on, or taken off. */
  on: boolean;
  items: { image: number }[];
  /** The cells that it changed; empty until the service has answered. */
  records: number[];
}

export type Edit = LabelEdit | TagEdit;

/** A cell that two people labelled: the other's label stands, and this person has yet to choose. */
export interface Conflict {
  image: number;
  labelSet: string;
  /** The label that was given here and refused. */
  own: string | null;
  theirs: string | null;
  by: number | null;
  /** Version of theirs. */
  version: number;
}

/** A message at the edge of the table. */
export interface Note {
  id: number;
  kind: "followed" | "fault" | "done";
  text: string;
  /** Of what followed: how many went from one class to another. */
  pairs?: { from: string | null; to: string | null; count: number }[];
  images: number[];
  /** Whether undoing the last edit is what a reviewer would want to do. */
  undo: boolean;
}

/** A project as the screens draw it. */
export interface ProjectState {
  phase: "loading" | "ready" | "failed";
  fault: unknown;
  labelSet: string;
  /** The case in hand: its number, 0 for the cells without a case, null for all. */
  case: number | null;
  /** The cells of the case in hand, with labels that wait to be saved laid over them. */
  columns: Columns;
  /** Cells of the project that are of no case. */
  withoutCase: number;
  /** Images whose label waits to be saved. */
  pending: ReadonlySet<number>;
  /** Where the model moved cells by itself since they were last looked at: from which class. */
  moved: ReadonlyMap<number, number>;
  selection: ReadonlySet<number>;
  chosen: number | null;
  connection: "open" | "lost";
  notes: readonly Note[];
  conflicts: readonly Conflict[];
  past: readonly Edit[];
  future: readonly Edit[];
  /** How many events of each kind have come, for queries that depend on them. */
  events: Readonly<Partial<Record<EventKind, number>>>;
}

/** How many messages stand at the edge of the table. */
const NOTES = 3;

/** The present state. Every change makes a new one, and calls whoever listens. */
export class StateHolder {
  private state: ProjectState;
  private readonly listeners = new Set<() => void>();
  private noteCount = 0;

  constructor(labelSet: string) {
    this.state = {
      phase: "loading",
      fault: null,
      labelSet,
      case: null,
      columns: noColumns(labelSet),
      withoutCase: 0,
      pending: new Set(),
      moved: new Map(),
      selection: new Set(),
      chosen: null,
      connection: "open",
      notes: [],
      conflicts: [],
      past: [],
      future: [],
      events: {},
    };
  }

  readonly snapshot = (): ProjectState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(change: Partial<ProjectState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }

  /** Resolves once a state is as asked. */
  until(holds: (state: ProjectState) => boolean): Promise<void> {
    return new Promise((done) => {
      const look = () => {
        if (!holds(this.state)) return;
        stop();
        done();
      };
      const stop = this.subscribe(look);
      look();
    });
  }

  notify(note: Omit<Note, "id">): void {
    this.noteCount++;
    // A fault that is told again stands once; of other kinds the newest stands alone.
    const others = this.state.notes.filter(({ kind, text }) =>
      note.kind === "fault" ? text !== note.text : kind !== note.kind,
    );
    this.set({ notes: [...others, { ...note, id: this.noteCount }].slice(-NOTES) });
  }

  readonly dismiss = (id: number): void => {
    this.set({ notes: this.state.notes.filter((note) => note.id !== id) });
  };
}
