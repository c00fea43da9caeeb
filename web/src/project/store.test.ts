import { beforeEach, describe, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { LabelAnswer, LabelOfEvent, LiveEvent, NewLabels, NewTags } from "../api/schema";
import { type Columns, NONE, rowOf, UNSURE } from "../columns/columns";
import { columnsOf } from "../columns/made";
import { memoryOf } from "./memory";
import type { OnEvent, ProjectService } from "./service";
import { ProjectStore } from "./store";

/** A service in memory: it numbers label records, refuses old versions, and teaches when asked to. */
class Pretended implements ProjectService {
  /** `undoes`: of an undo, the record that it takes back; `over`: the record that was replaced. */
  records: {
    image: number;
    label: string | null;
    version: number;
    before: string | null;
    over?: number | undefined;
    undoes?: number;
  }[] = [];
  requests: NewLabels[] = [];
  refuse: ServiceFault[] = [];
  onEvent: OnEvent = () => {};
  onConnection: (open: boolean) => void = () => {};
  columnsAsked: (number | null)[] = [];
  fresh: Columns;
  full = true;
  total = 3;

  constructor(public cells: Columns) {
    this.fresh = cells;
  }

  async columns(_set: string, since: number | null) {
    this.columnsAsked.push(since);
    return { ...this.fresh, full: since === null || this.full, total: this.total, etag: null };
  }

  async label(request: NewLabels): Promise<LabelAnswer> {
    const fault = this.refuse.shift();
    if (fault) throw fault;
    this.requests.push(request);
    const answer: LabelAnswer = { labels: [], conflicts: [], taught_until: 0, undo: [] };
    for (const { image, label, version: seen } of request.items) {
      const standing = this.records.findLast((record) => record.image === image);
      if ((standing?.version ?? 0) !== seen) {
        answer.conflicts.push({
          image,
          version: standing?.version ?? 0,
          label: standing?.label ?? null,
          by: 2,
          at: null,
          submitted: label,
        });
        continue;
      }
      const version = this.records.length + 1;
      this.records.push({ image, label, version, before: standing?.label ?? null, over: standing?.version });
      answer.labels.push({ image, version, label });
      answer.undo.push(version);
    }
    return answer;
  }

  async tag({ tag, images, on = true }: NewTags) {
    return { tag, images, on };
  }

  async undo(_request: string, labels: number[]): Promise<LabelAnswer> {
    const answer: LabelAnswer = { labels: [], conflicts: [], taught_until: 0, undo: [] };
    for (const undone of this.records.filter((record) => labels.includes(record.version))) {
      const { image, before } = undone;
      const standing = this.records.findLast((record) => record.image === image)!;
      // An undo lets the record stand again that lay under the one taken back.
      let stands: (typeof this.records)[number] | undefined = standing;
      while (stands?.undoes && stands !== undone) {
        const over = this.records.find(({ version }) => version === stands?.undoes)?.over;
        stands = this.records.find(({ version }) => version === over);
      }
      if (stands !== undone) {
        const { version, label } = standing;
        answer.conflicts.push({ image, version, label, by: 2, at: null, submitted: before });
        continue;
      }
      const version = this.records.length + 1;
      const over = standing.version;
      this.records.push({ image, label: before, version, before: undone.label, over, undoes: undone.version });
      answer.labels.push({ image, version, label: before });
      answer.undo.push(version);
    }
    return answer;
  }

  listen(_after: number | null, onEvent: OnEvent, onConnection: (open: boolean) => void) {
    this.onEvent = onEvent;
    this.onConnection = onConnection;
    return () => {};
  }
}

const offline = () => new ServiceFault(0, { code: "offline", message: "The service cannot be reached." });
const cells = () => [
  { id: 1, predicted: 0 },
  { id: 2, predicted: 1 },
  { id: 3, predicted: 1 },
];

let service: Pretended;
let store: ProjectStore;
const readings: LiveEvent = { kind: "readings", read: 1, waiting: 0, images: [] };
const taught = (taught_until: number): LiveEvent => ({
  kind: "taught",
  label_set: "cell_type",
  taught_until,
  moved: [],
  moved_count: 0,
});
const labels = () => [...store.snapshot().columns.label];
const settled = () => vi.waitFor(() => expect(store.snapshot().pending.size).toBe(0));

beforeEach(async () => {
  service = new Pretended(columnsOf(cells()));
  store = new ProjectStore(service, "cell_type", async () => {});
  store.start();
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
});

describe("a label", () => {
  test("is shown at once and confirmed after", async () => {
    const done = store.label([1, 2], "monocyte");
    expect(labels()).toEqual([2, 2, NONE]);
    expect([...store.snapshot().pending]).toEqual([1, 2]);
    await done;
    expect(labels()).toEqual([2, 2, NONE]);
    expect(store.snapshot().pending.size).toBe(0);
    expect([...store.snapshot().columns.version]).toEqual([1, 2, 0]);
  });

  test("said twice in a row is sent with the version the first one made", async () => {
    void store.label([1], "monocyte");
    void store.label([1], "?");
    expect(labels()[0]).toBe(UNSURE);
    await settled();
    expect(service.requests.map((request) => request.items[0]!.version)).toEqual([0, 1]);
    expect(labels()[0]).toBe(UNSURE);
  });

  test("that changes nothing is not sent", async () => {
    await store.label([1], "monocyte");
    await store.label([1], "monocyte");
    expect(service.requests).toHaveLength(1);
    expect(store.snapshot().past).toHaveLength(1);
  });

  test("outlives a broken line, under the same name", async () => {
    service.refuse = [offline(), offline()];
    const lines = new Set<string>();
    store.subscribe(() => lines.add(store.snapshot().connection));
    await store.label([1], "monocyte");
    expect(lines).toContain("lost");
    expect(service.records).toHaveLength(1);
    expect(store.snapshot().connection).toBe("open");
    expect(labels()[0]).toBe(2);
  });

  test("outlives a database that is away: the same request again, and stored once", async () => {
    const away = () => new ServiceFault(503, { code: "unavailable", message: "No database at the moment." });
    service.refuse = [away(), away(), offline(), away()];
    const asked = vi.spyOn(service, "label");
    const lines = new Set<string>();
    store.subscribe(() => lines.add(store.snapshot().connection));
    await store.label([1], "monocyte");
    expect(lines).toContain("lost");
    expect(new Set(asked.mock.calls.map(([request]) => request.request)).size).toBe(1);
    expect(asked).toHaveBeenCalledTimes(5);
    expect(service.records).toMatchObject([{ image: 1, label: "monocyte" }]);
    expect(store.snapshot().connection).toBe("open");
    expect(store.snapshot().notes.filter(({ kind }) => kind === "fault")).toEqual([]);
  });

  test("that is refused goes back, and the page says why", async () => {
    service.refuse = [new ServiceFault(403, { code: "forbidden", message: "Viewers do not label.", mend: "Ask." })];
    await store.label([1], "monocyte");
    expect(labels()[0]).toBe(NONE);
    expect(store.snapshot().past).toEqual([]);
    expect(store.snapshot().notes.at(-1)).toMatchObject({ kind: "fault", text: "Viewers do not label. Ask." });
  });

  test("that someone else gave first stands, and the page shows both words", async () => {
    service.records.push({ image: 1, label: "lymphocyte", version: 1, before: null });
    await store.label([1, 3], "monocyte");
    expect(labels()).toEqual([1, NONE, 2]);
    expect(store.snapshot().conflicts).toMatchObject([{ image: 1, own: "monocyte", theirs: "lymphocyte", by: 2 }]);
  });
});

describe("two people label one cell", () => {
  let clock = 0;
  const theirs = (label: string | null): void => {
    const version = service.records.length + 1;
    service.records.push({ image: 1, label, version, before: null });
    const event = { image: 1, label_set: "cell_type", label, version, user: 2 };
    service.onEvent({ kind: "labels", labels: [event], by: 2 }, null);
  };
  const standing = () => service.records.findLast((record) => record.image === 1)!.label;

  beforeEach(async () => {
    clock = 0;
    store = new ProjectStore(
      service,
      "cell_type",
      async () => {},
      () => clock,
    );
    store.start();
    await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
  });

  test("what was pressed while the line was broken does not replace what came meanwhile", async () => {
    service.refuse = [offline()];
    const done = store.label([1], "lymphocyte");
    theirs("monocyte");
    clock += 60_000;
    await done;
    expect(standing()).toBe("monocyte");
    expect(labels()[0]).toBe(2);
    expect(store.snapshot().conflicts).toMatchObject([{ own: "lymphocyte", theirs: "monocyte" }]);
  });

  test("nor does a second press on top of it, which saw only the first", async () => {
    service.refuse = [offline()];
    void store.label([1], "lymphocyte");
    theirs("monocyte");
    clock += 60_000;
    await store.label([1], "neutrophil");
    expect(standing()).toBe("monocyte");
    expect(store.snapshot().conflicts).toMatchObject([{ own: "neutrophil", theirs: "monocyte" }]);
  });

  test("a key pressed 50 ms after their label arrived is no answer to it; one pressed later is", async () => {
    theirs("monocyte");
    clock += 50;
    await store.label([1], "lymphocyte");
    expect(standing()).toBe("monocyte");
    expect(store.snapshot().conflicts).toHaveLength(1);
    await store.resolveConflicts(false);
    theirs("neutrophil");
    clock += 400;
    await store.label([1], "lymphocyte");
    expect(standing()).toBe("lymphocyte");
    expect(store.snapshot().conflicts).toEqual([]);
  });

  test("one key keeps theirs, another puts one's own, and both can be undone", async () => {
    theirs("monocyte");
    await store.label([1], "lymphocyte");
    await store.resolveConflicts(true);
    expect(standing()).toBe("lymphocyte");
    await store.undo();
    expect(labels()[0]).toBe(2);
    theirs("neutrophil");
    await store.label([1], "lymphocyte");
    await store.resolveConflicts(false);
    expect(standing()).toBe("neutrophil");
    expect(store.snapshot().conflicts).toEqual([]);
  });

  test("one's own answer does not replace a third label that came while one chose", async () => {
    theirs("monocyte");
    await store.label([1], "lymphocyte");
    theirs("neutrophil");
    clock += 60_000;
    await store.resolveConflicts(true);
    expect(standing()).toBe("neutrophil");
    expect(store.snapshot().conflicts).toMatchObject([{ own: "lymphocyte", theirs: "neutrophil" }]);
  });

  test("undoing what somebody replaced asks as well", async () => {
    await store.label([1], "lymphocyte");
    theirs("monocyte");
    await store.undo();
    expect(standing()).toBe("monocyte");
    expect(store.snapshot().conflicts).toMatchObject([{ own: null, theirs: "monocyte" }]);
  });

  test("who says the same is asked nothing", async () => {
    service.records.push({ image: 1, label: "lymphocyte", version: 1, before: null });
    await store.label([1], "lymphocyte");
    expect(store.snapshot().conflicts).toEqual([]);
    expect(labels()[0]).toBe(1);
  });
});

test("many cells go in several requests and are undone together", async () => {
  service = new Pretended(columnsOf(Array.from({ length: 2500 }, (_, id) => ({ id: id + 1, predicted: 0 }))));
  service.total = 2500;
  store = new ProjectStore(service, "cell_type", async () => {});
  store.start();
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
  const all = [...store.snapshot().columns.id];
  await store.label(all, "monocyte");
  expect(service.requests.map((request) => request.items.length)).toEqual([1000, 1000, 500]);
  expect(store.snapshot().past.at(-1)!.records).toHaveLength(2500);
  await store.undo();
  expect(labels().every((label) => label === NONE)).toBe(true);
});

test("agreeing takes the model's reading for cells that nobody labelled", async () => {
  await store.label([2], "monocyte");
  await store.agree([1, 2, 3]);
  expect(service.requests.at(-1)).toMatchObject({
    kind: "agree",
    items: [
      { image: 1, label: "neutrophil" },
      { image: 3, label: "lymphocyte" },
    ],
  });
  expect(labels()).toEqual([0, 2, 1]);
});

test("a conflict of a label set that was left is ended in that label set", async () => {
  service.records.push({ image: 1, label: "lymphocyte", version: 1, before: null });
  await store.label([1], "monocyte");
  expect(store.snapshot().conflicts).toMatchObject([{ image: 1, labelSet: "cell_type" }]);
  await store.useLabelSet("vacuoles");
  await store.resolveConflicts(true);
  expect(service.requests.at(-1)).toMatchObject({
    label_set: "cell_type",
    kind: "set",
    items: [{ image: 1, label: "monocyte", version: 1 }],
  });
  expect(store.snapshot().conflicts).toEqual([]);
});

describe("undo and redo", () => {
  test("walk back and forth", async () => {
    await store.label([1], "monocyte");
    await store.label([1, 2], "lymphocyte");
    await store.undo();
    expect(labels()).toEqual([2, NONE, NONE]);
    await store.undo();
    expect(labels()).toEqual([NONE, NONE, NONE]);
    await store.undo();
    await store.redo();
    await store.redo();
    expect(labels()).toEqual([1, 1, NONE]);
    expect(store.snapshot().future).toHaveLength(0);
    expect(store.snapshot().notes).toEqual([]);
  });

  test("work before the service has answered", async () => {
    void store.label([1], "monocyte");
    const undone = store.undo();
    expect(labels()[0]).toBe(NONE);
    await undone;
    expect(labels()[0]).toBe(NONE);
    expect(service.records.map((record) => record.label)).toEqual(["monocyte", null]);
  });

  test("never show another bin than what was said last, however late the answers come", async () => {
    await store.label([1], "monocyte");
    void store.label([1], "lymphocyte");
    void store.undo();
    void store.redo();
    const undone = store.undo();
    const seen = new Set<number>();
    store.subscribe(() => seen.add(labels()[0]!));
    await undone;
    expect([...seen]).toEqual([2]);
  });

  test("is not unsaid by changes that the service collected before it", async () => {
    await store.label([1], "monocyte");
    await store.label([1], "lymphocyte");
    void store.undo();
    const seen = new Set<number>();
    store.subscribe(() => seen.add(labels()[0]!));
    await settled();
    // The service does not know yet: neither the label nor that it was taken back.
    service.full = false;
    service.fresh = columnsOf([{ id: 1, predicted: 1 }], 2);
    service.onEvent(readings, 7);
    await vi.waitFor(() => expect(store.snapshot().columns.predicted[0]).toBe(1));
    expect([...seen]).toEqual([2]);
    expect(store.snapshot().columns.version[0]).toBe(3);
    await store.label([1], "?");
    expect(service.requests.at(-1)!.items[0]!.version).toBe(3);
  });

  test("of another label set leave the cells of this one where they are", async () => {
    await store.label([1], "monocyte");
    service.fresh = columnsOf([{ id: 1, label: 0, version: 9 }, { id: 2 }, { id: 3 }]);
    await store.useLabelSet("vacuoles");
    await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
    const seen = new Set<number>();
    store.subscribe(() => seen.add(labels()[0]!));
    await store.undo();
    expect(service.records.at(-1)).toMatchObject({ image: 1, label: null });
    expect([...seen]).toEqual([0]);
  });

  test("of keys that are quicker than the answers takes back what stands, once", async () => {
    void store.label([1], "monocyte");
    void store.undo();
    await store.redo();
    expect(service.records.map((record) => record.label)).toEqual(["monocyte", null, "monocyte"]);
    expect(store.snapshot().past.at(-1)!.records).toEqual([3]);
    await store.undo();
    expect(store.snapshot().conflicts).toEqual([]);
    expect(labels()[0]).toBe(NONE);
  });

  test("a new deed ends what could be redone", async () => {
    await store.label([1], "monocyte");
    await store.undo();
    await store.label([2], "monocyte");
    expect(store.snapshot().future).toHaveLength(0);
  });
});

describe("events", () => {
  test("another browser's labels are shown, older ones are not", () => {
    const label = { image: 1, label_set: "cell_type", label: "monocyte", version: 9, user: 2 };
    const given = (...labels: LabelOfEvent[]): LiveEvent => ({ kind: "labels", labels, by: 2 });
    service.onEvent(given(label), 4);
    expect(labels()[0]).toBe(2);
    expect(store.snapshot().columns.labelled_by[0]).toBe(2);
    service.onEvent(given({ ...label, label: null, version: 3 }), 5);
    service.onEvent(given({ ...label, label_set: "vacuoles", version: 12 }), 6);
    expect(labels()[0]).toBe(2);
  });

  test("cells that the model moved are announced, those of people are not", async () => {
    await store.label([3], "lymphocyte");
    service.full = false;
    service.fresh = columnsOf(
      [
        { id: 1, predicted: 2 },
        { id: 3, predicted: 0, label: 1, version: 1 },
      ],
      1,
    );
    service.onEvent(taught(1), 7);
    await vi.waitFor(() => expect(store.snapshot().moved.size).toBe(1));
    expect(store.snapshot().moved.get(1)).toBe(0);
    expect(store.snapshot().notes.at(-1)).toMatchObject({
      kind: "followed",
      text: "1 cell followed",
      pairs: [{ from: "neutrophil", to: "monocyte", count: 1 }],
      images: [1],
      undo: true,
    });
  });

  test("what was undone is not said to follow", async () => {
    await store.label([1], "monocyte");
    await store.undo();
    service.full = false;
    service.fresh = columnsOf([{ id: 1, predicted: 2, version: 2 }], 2);
    service.onEvent(taught(2), 7);
    await vi.waitFor(() => expect(store.snapshot().columns.predicted[0]).toBe(2));
    expect(store.snapshot().notes).toEqual([]);
  });

  test("a healed line asks for what was missed", async () => {
    const asked = service.columnsAsked.length;
    service.onConnection(false);
    expect(store.snapshot().connection).toBe("lost");
    service.onConnection(true);
    await vi.waitFor(() => expect(service.columnsAsked.length).toBe(asked + 1));
    expect(store.snapshot().connection).toBe("open");
  });

  test("a healed line sends what waits at once, and is not called healed before", async () => {
    const waiting = new ProjectStore(service, "cell_type", () => new Promise(() => {}));
    waiting.start();
    await vi.waitFor(() => expect(waiting.snapshot().phase).toBe("ready"));
    service.refuse = [offline(), offline()];
    const done = waiting.label([1], "monocyte");
    await vi.waitFor(() => expect(waiting.snapshot().connection).toBe("lost"));
    service.onConnection(true);
    expect(waiting.snapshot().connection).toBe("lost");
    await vi.waitFor(() => expect(service.refuse).toHaveLength(0));
    service.onConnection(true);
    await done;
    expect(service.records).toHaveLength(1);
    expect(waiting.snapshot().connection).toBe("open");
  });

  test("a full answer that is older than a label of ours does not take it away", async () => {
    await store.label([1], "monocyte");
    service.onEvent(readings, 8);
    await vi.waitFor(() => expect(service.columnsAsked).toHaveLength(2));
    expect(labels()[0]).toBe(2);
  });
});

test("rows that a delta cannot take away are read anew", async () => {
  service.full = false;
  service.total = 2;
  service.fresh = columnsOf([{ id: 1 }, { id: 2 }]);
  service.onEvent(readings, 9);
  await vi.waitFor(() => expect(store.snapshot().columns.count).toBe(2));
  expect(service.columnsAsked).toEqual([null, 0, null]);
});

test("what is selected is shared", () => {
  store.select([3, 1]);
  expect(store.snapshot()).toMatchObject({ selection: new Set([3, 1]), chosen: 3 });
  store.select([1, 3], 1);
  expect(store.snapshot().chosen).toBe(1);
  expect(rowOf(store.snapshot().columns, 1)).toBe(0);
});

describe("the case in hand", () => {
  const mixed = () =>
    columnsOf([
      { id: 1, predicted: 0, case: 7 },
      { id: 2, predicted: 1, case: 8 },
      { id: 3, predicted: 1 },
      { id: 4, predicted: 1, case: 7 },
    ]);
  const shownIds = () => [...store.snapshot().columns.id.subarray(0, store.snapshot().columns.count)];

  beforeEach(async () => {
    service = new Pretended(mixed());
    service.total = 4;
    store = new ProjectStore(service, "cell_type", async () => {});
    store.start();
    await store.refresh();
  });

  test("is all that the screens see", () => {
    expect(shownIds()).toEqual([1, 2, 3, 4]);
    expect(store.snapshot().withoutCase).toBe(1);
    store.useCase(7);
    expect(shownIds()).toEqual([1, 4]);
    store.useCase(0);
    expect(shownIds()).toEqual([3]);
    expect(store.snapshot().withoutCase).toBe(1);
    store.useCase(null);
    expect(shownIds()).toEqual([1, 2, 3, 4]);
  });

  test("is all that a label or an agreement reaches", async () => {
    store.useCase(7);
    await store.label([1, 2], "monocyte");
    await store.agree([2, 3, 4]);
    expect(service.records.map(({ image }) => image)).toEqual([1, 4]);
  });

  test("that is signed takes no label, and says so", async () => {
    service.cells.cases = service.fresh.cases = [
      { id: 7, key: "24-1187", locked: true },
      { id: 8, key: "24-1188", locked: false },
    ];
    service.onEvent({ kind: "signature", case: 7 }, 5);
    await vi.waitFor(() => expect(store.snapshot().columns.cases.some(({ locked }) => locked)).toBe(true));
    store.useCase(null);
    const of = (wanted: number) =>
      [...store.snapshot().columns.id].filter((_, at) => store.snapshot().columns.case[at] === wanted);
    expect([of(7).length, of(8).length].every((n) => n > 0)).toBe(true);
    await store.label([...of(7), ...of(8)], "monocyte");
    expect(service.requests.flatMap(({ items }) => items.map(({ image }) => image))).toEqual(of(8));
    const said = store.snapshot().notes.find(({ kind }) => kind === "fault")?.text;
    expect(said).toContain("24-1187");
    expect(said).not.toContain("24-1188");
  });

  test("takes selection, notes and undoing with it", async () => {
    store.useCase(7);
    store.select([1, 4]);
    await store.label([1], "monocyte");
    store.useCase(8);
    const { selection, chosen, past, notes } = store.snapshot();
    expect([selection.size, chosen, past.length, notes.length]).toEqual([0, null, 0, 0]);
    await store.undo();
    expect(service.records).toHaveLength(1);
  });

  test("tells only of its own cells that they followed", async () => {
    store.useCase(7);
    service.fresh = columnsOf([
      { id: 1, predicted: 0, case: 7 },
      { id: 2, predicted: 0, case: 8 },
      { id: 3, predicted: 0 },
      { id: 4, predicted: 0, case: 7 },
    ]);
    service.onEvent(taught(1), 5);
    await store.refresh();
    expect(store.snapshot().notes.map(({ images }) => images)).toEqual([[4]]);
  });

  test("loses a cell that somebody moves to another case", async () => {
    store.useCase(7);
    service.fresh = columnsOf([{ id: 4, predicted: 1, case: 8 }]);
    service.full = false;
    service.onEvent({ kind: "images", added: 0, removed: 0, moved: 1, renamed: 0, upload: null }, 6);
    await store.refresh();
    expect(shownIds()).toEqual([1]);
  });
});

describe("after a reload", () => {
  const opened = async () => {
    store = new ProjectStore(service, "cell_type", async () => {}, undefined, memoryOf(1, 1));
    store.start();
    await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
  };
  /** A page that is opened anew reads what stands by now. */
  const reload = async () => {
    const now = service.records.at(-1);
    service.fresh = columnsOf(
      cells().map((cell) => (cell.id === now?.image ? { ...cell, label: 1, version: now.version } : cell)),
    );
    await opened();
  };
  beforeEach(async () => {
    sessionStorage.clear();
    await opened();
  });

  test("what was done before is undone", async () => {
    await store.label([2], "lymphocyte");
    await reload();
    expect(store.snapshot().past).toHaveLength(1);
    await store.undo();
    expect(service.records.at(-1)).toMatchObject({ image: 2, label: null, undoes: 1 });
    await reload();
    expect(store.snapshot().past).toEqual([]);
  });

  test("what was undone before is not undone again", async () => {
    await store.label([2], "lymphocyte");
    await store.undo();
    await reload();
    expect(store.snapshot().past).toEqual([]);
  });

  test("each case has its own", async () => {
    store.useCase(0);
    await store.label([2], "lymphocyte");
    // The answer to this one comes when another case is in hand.
    const last = store.label([3], "neutrophil");
    store.useCase(8);
    expect(store.snapshot().past).toEqual([]);
    await last;
    store.useCase(0);
    expect(store.snapshot().past.map(({ items }) => items[0]!.image)).toEqual([2, 3]);
  });

  test("an edit on its way is still there in a case that is taken in hand again", async () => {
    store.useCase(0);
    const last = store.label([3], "neutrophil");
    store.useCase(8);
    store.useCase(0);
    expect(store.snapshot().past.map(({ items }) => items[0]!.image)).toEqual([3]);
    await last;
    expect(store.snapshot().past.map(({ items }) => items[0]!.image)).toEqual([3]);
    await store.undo();
    expect(service.records.at(-1)).toMatchObject({ image: 3, label: null, undoes: 1 });
    store.useCase(8);
    store.useCase(0);
    expect(store.snapshot().past).toEqual([]);
  });
});
