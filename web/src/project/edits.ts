/** What a person does to the cells: labels given, taken back, undone and redone, and conflicts with those of others. */

import type { LabelAnswer, NewLabels } from "../api/schema";
import { labelOf, lockedCases, NONE, rowOf } from "../columns/columns";
import type { Cells } from "./cells";
import type { EditMemory } from "./memory";
import { type Press, seenVersion } from "./seen";
import { requestName, type Sender } from "./sender";
import type { ProjectService } from "./service";
import type { Edit, LabelEdit, Note, StateHolder, TagEdit } from "./state";

export type Send = (labels: NewLabels) => Promise<LabelAnswer>;

/** What the service takes in one request. */
const AT_ONCE = 1000;

function chunks<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) parts.push(items.slice(from, from + AT_ONCE));
  return parts;
}

/** The notes that offer no undoing. */
function withoutUndo(notes: readonly Note[]): readonly Note[] {
  return notes.filter((note) => !note.undo);
}

export class Edits {
  /** Edits that the service has not answered, with the case that was in hand. */
  private readonly underway = new Map<Edit, number | null>();

  constructor(
    private readonly service: ProjectService,
    private readonly holder: StateHolder,
    private readonly cells: Cells,
    private readonly sender: Sender,
    private readonly memory: EditMemory,
  ) {}

  /** What can be undone in the case in hand: from before a reload, or from before another case was in hand. */
  recalled(inHand: number | null): readonly Edit[] {
    const waiting = [...this.underway].filter(([, ofCase]) => ofCase === inHand).map(([edit]) => edit);
    return [...this.memory.read(inHand), ...waiting];
  }

  private remember(inHand: number | null, answered: Edit | null = null): void {
    const now = this.holder.snapshot();
    const settled = now.past.filter((edit) => !this.underway.has(edit));
    if (inHand === now.case) this.memory.write(inHand, settled);
    // Its answer has come when another case is in hand: it belongs to the one before.
    else if (answered?.records.length) this.memory.write(inHand, [...this.memory.read(inHand), answered]);
  }

  /**
   * Give cells a label ('?' for unsure, null to take it back). Shown at once; resolves when it is saved. `send` asks the
   * service where the labels go along with something else.
   */
  label(
    images: readonly number[],
    label: string | null,
    kind: NewLabels["kind"] = label === null ? "clear" : "set",
    send?: Send,
  ) {
    return this.relabel(
      images.map((image) => [image, label]),
      kind,
      send,
    );
  }

  /** Agree with what the model reads of these cells. */
  agree(images: readonly number[]) {
    const { columns } = this.holder.snapshot();
    const items = images.flatMap((image): [number, string | null][] => {
      const row = rowOf(columns, image);
      if (row < 0 || columns.label[row] !== NONE || columns.predicted[row] === NONE) return [];
      return [[image, labelOf(columns.classes, columns.predicted[row]!)]];
    });
    return this.relabel(items, "agree");
  }

  private relabel(wanted: [number, string | null][], kind: NewLabels["kind"], send?: Send): Promise<void> {
    const { columns, labelSet } = this.holder.snapshot();
    const locked = lockedCases(columns);
    const refused = new Set<number>();
    const items = wanted.flatMap(([image, after]) => {
      const row = rowOf(columns, image);
      if (row < 0) return [];
      if (locked.has(columns.case[row]!)) {
        refused.add(columns.case[row]!);
        return [];
      }
      const before = labelOf(columns.classes, columns.label[row]!);
      return before === after ? [] : [{ image, before, after }];
    });
    if (refused.size) {
      const keys = columns.cases.filter(({ id }) => refused.has(id)).map(({ key }) => key);
      const text = `Signed, and so locked: ${keys.join(", ")}. Amend the case to label its cells.`;
      this.holder.notify({ kind: "fault", text, images: [], undo: false });
    }
    if (!items.length) return Promise.resolve();
    const edit: LabelEdit = { kind, labelSet, items, records: [] };
    this.holder.set({ past: [...this.holder.snapshot().past, edit], future: [] });
    return this.perform(edit, undefined, send);
  }

  /** `seen` is what the person had before their eyes where that is not what the table shows. */
  private perform(edit: LabelEdit, seen?: ReadonlyMap<number, number>, send?: Send): Promise<void> {
    const images = edit.items.map(({ image }) => image);
    const press = seen ? { seen: new Map(seen), made: new Map() } : this.cells.pressed(edit.labelSet, images);
    const turn = this.cells.showUnsaved(
      edit.labelSet,
      edit.items.map(({ image, after }) => [image, after]),
      press,
    );
    const requests = chunks(edit.items).map((items) => {
      const request = requestName();
      return () =>
        (send ?? ((labels) => this.service.label(labels)))({
          request,
          label_set: edit.labelSet,
          kind: edit.kind,
          items: items.map(({ image, after }) => ({ image, label: after, version: seenVersion(press, image) })),
        });
    });
    return this.enqueue(edit.labelSet, turn, edit, press, () => requests);
  }

  /** End the conflicts: keep the labels that stand, or give one's own again, knowing the others. */
  resolveConflicts(own: boolean): Promise<void> {
    const { conflicts } = this.holder.snapshot();
    this.holder.set({ conflicts: [] });
    if (!own || !conflicts.length) return Promise.resolve();
    // One request is of one label set, whichever is on the screen by now, and of one kind: taking back goes by itself.
    const parts = new Map<string, LabelEdit>();
    for (const { image, labelSet, theirs, own } of conflicts) {
      const kind = own === null ? "clear" : "set";
      const part = parts.get(`${kind} ${labelSet}`) ?? { kind, labelSet, items: [], records: [] };
      part.items.push({ image, before: theirs, after: own });
      parts.set(`${kind} ${labelSet}`, part);
    }
    const runs = [...parts.values()];
    this.holder.set({ past: [...this.holder.snapshot().past, ...runs], future: [] });
    // What was shown in words is what was seen, whatever has arrived since.
    const seen = (edit: LabelEdit) =>
      new Map(conflicts.filter((one) => one.labelSet === edit.labelSet).map(({ image, version }) => [image, version]));
    return Promise.all(runs.map((edit) => this.perform(edit, seen(edit)))).then(() => {});
  }

  /** Put a tag on cells, or take it off. */
  tag(images: readonly number[], tag: string, on: boolean): Promise<void> {
    if (!images.length) return Promise.resolve();
    const edit: TagEdit = { kind: "tag", tag, on, items: images.map((image) => ({ image })), records: [] };
    this.holder.set({ past: [...this.holder.snapshot().past, edit], future: [] });
    return this.sendTag(edit, on, edit);
  }

  /** `given` is the edit where it is made or made again; null where it is undone. */
  private sendTag(edit: TagEdit, on: boolean, given: TagEdit | null): Promise<void> {
    const inHand = this.holder.snapshot().case;
    if (given) this.underway.set(given, inHand);
    return this.sender.enqueue(async () => {
      if (given) given.records = [];
      try {
        // Only what it changed is undone: cells that had the tag before keep it.
        for (const images of chunks(given ? edit.items.map(({ image }) => image) : edit.records)) {
          const answer = await this.sender.persist(() => this.service.tag({ tag: edit.tag, images, on }));
          if (!answer) break;
          given?.records.push(...answer.images);
        }
      } finally {
        if (given) this.underway.delete(given);
      }
      const { events } = this.holder.snapshot();
      this.holder.set({ events: { ...events, tags: (events.tags ?? 0) + 1 } });
      this.done(inHand, given);
    });
  }

  /** Undo the last edit. */
  undo(): Promise<void> {
    const edit = this.holder.snapshot().past.at(-1);
    if (!edit) return Promise.resolve();
    this.holder.set({
      past: this.holder.snapshot().past.slice(0, -1),
      future: [...this.holder.snapshot().future, edit],
      notes: withoutUndo(this.holder.snapshot().notes),
    });
    this.underway.delete(edit);
    this.remember(this.holder.snapshot().case);
    if (edit.kind === "tag") return this.sendTag(edit, !edit.on, null);
    const images = edit.items.map(({ image }) => image);
    const press = this.cells.pressed(edit.labelSet, images);
    const turn = this.cells.showUnsaved(
      edit.labelSet,
      edit.items.map(({ image, before }) => [image, before]),
      press,
    );
    const undone = { ...edit, items: edit.items.map((item) => ({ ...item, after: item.before })) };
    return this.enqueue(
      edit.labelSet,
      turn,
      null,
      press,
      () =>
        chunks(edit.records).map((labels) => {
          const request = requestName();
          return () => this.service.undo(request, labels);
        }),
      undone,
    );
  }

  /** Redo what was undone last. */
  redo(): Promise<void> {
    const edit = this.holder.snapshot().future.at(-1);
    if (!edit) return Promise.resolve();
    this.holder.set({
      future: this.holder.snapshot().future.slice(0, -1),
      past: [...this.holder.snapshot().past, edit],
    });
    return edit.kind === "tag" ? this.sendTag(edit, edit.on, edit) : this.perform(edit);
  }

  /** Ask one after the other, when everything before has been answered. */
  private enqueue(
    labelSet: string,
    turn: number,
    edit: LabelEdit | null,
    press: Press,
    asks: () => (() => Promise<LabelAnswer>)[],
    wanted: LabelEdit | null = edit,
  ): Promise<void> {
    const inHand = this.holder.snapshot().case;
    if (edit) this.underway.set(edit, inHand);
    return this.sender.enqueue(async () => {
      // Of an edit that is made again. Not when the key is pressed: its first answer, and its undoing, may still wait.
      if (edit) edit.records = [];
      try {
        for (const ask of asks()) {
          const answer = await this.sender.persist(ask);
          if (!answer) break;
          for (const { image, version } of answer.labels) press.made.set(image, version);
          this.answered(labelSet, answer, wanted);
          edit?.records.push(...answer.undo);
        }
      } finally {
        // Whatever went wrong on the way, these cells wait no longer.
        this.cells.settle(turn);
        if (edit) this.underway.delete(edit);
      }
      this.done(inHand, edit);
    });
  }

  /** All answers to an edit have come. */
  private done(inHand: number | null, edit: Edit | null): void {
    // What the service refused altogether, or what changed nothing, is nothing to undo.
    if (edit && !edit.records.length) {
      const others = (other: Edit) => other !== edit;
      this.holder.set({
        past: this.holder.snapshot().past.filter(others),
        future: this.holder.snapshot().future.filter(others),
      });
    }
    this.remember(inHand, edit);
  }

  private answered(labelSet: string, answer: LabelAnswer, wanted: LabelEdit | null): void {
    if (labelSet === this.holder.snapshot().labelSet)
      this.cells.apply([...answer.labels, ...answer.conflicts.map((one) => ({ ...one, user: one.by }))]);
    if (!answer.conflicts.length) return;
    const own = new Map(wanted?.items.map(({ image, after }) => [image, after]));
    const fresh = new Map(this.holder.snapshot().conflicts.map((one) => [`${one.labelSet} ${one.image}`, one]));
    for (const { image, label, by, version } of answer.conflicts) {
      this.cells.forget(image);
      const said = own.get(image) ?? null;
      const key = `${labelSet} ${image}`;
      // Where both say the same there is nothing to choose.
      if (said === label) fresh.delete(key);
      else fresh.set(key, { image, labelSet, own: said, theirs: label, by, version });
    }
    this.holder.set({ conflicts: [...fresh.values()] });
  }
}
