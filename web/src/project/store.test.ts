import { beforeEach, describe, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { LabelAnswer, LabelRequest } from "../api/types";
import { type Columns, NONE, rowOf, UNSURE } from "../columns/columns";
import { columnsOf } from "../columns/made";
import type { Heard, ProjectService } from "./service";
import { ProjectStore } from "./store";

/** A service in memory: it numbers facts, refuses old versions, and teaches when told to. */
class Pretended implements ProjectService {
  facts: { image: number; label: string | null; fact: number; before: string | null }[] = [];
  requests: LabelRequest[] = [];
  refuse: ServiceFault[] = [];
  heard: (event: Heard) => void = () => {};
  line: (open: boolean) => void = () => {};
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

  async label(request: LabelRequest): Promise<LabelAnswer> {
    const fault = this.refuse.shift();
    if (fault) throw fault;
    this.requests.push(request);
    const answer: LabelAnswer = { facts: [], conflicts: [], revision: 0, undo: [] };
    for (const { image, label, version } of request.items) {
      const standing = this.facts.findLast((fact) => fact.image === image);
      if ((standing?.fact ?? 0) !== version) {
        answer.conflicts.push({ image, version: standing!.fact, label: standing!.label, by: 2, at: null });
        continue;
      }
      const fact = this.facts.length + 1;
      this.facts.push({ image, label, fact, before: standing?.label ?? null });
      answer.facts.push({ image, version: fact, label });
      answer.undo.push(fact);
    }
    return answer;
  }

  async undo(_request: string, facts: number[]): Promise<LabelAnswer> {
    const answer: LabelAnswer = { facts: [], conflicts: [], revision: 0, undo: [] };
    for (const undone of this.facts.filter((fact) => facts.includes(fact.fact))) {
      const fact = this.facts.length + 1;
      this.facts.push({ image: undone.image, label: undone.before, fact, before: undone.label });
      answer.facts.push({ image: undone.image, version: fact, label: undone.before });
      answer.undo.push(fact);
    }
    return answer;
  }

  listen(_after: number | null, heard: (event: Heard) => void, line: (open: boolean) => void) {
    this.heard = heard;
    this.line = line;
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
    store.subscribe(() => lines.add(store.snapshot().line));
    await store.label([1], "monocyte");
    expect(lines).toContain("lost");
    expect(service.facts).toHaveLength(1);
    expect(store.snapshot().line).toBe("open");
    expect(labels()[0]).toBe(2);
  });

  test("that is refused goes back, and the desk says why", async () => {
    service.refuse = [new ServiceFault(403, { code: "forbidden", message: "Viewers do not label.", mend: "Ask." })];
    await store.label([1], "monocyte");
    expect(labels()[0]).toBe(NONE);
    expect(store.snapshot().past).toEqual([]);
    expect(store.snapshot().notes.at(-1)).toMatchObject({ kind: "fault", text: "Viewers do not label. Ask." });
  });

  test("that someone else gave first stands, and the desk says so", async () => {
    service.facts.push({ image: 1, label: "lymphocyte", fact: 1, before: null });
    await store.label([1, 3], "monocyte");
    expect(labels()).toEqual([1, NONE, 2]);
    expect(store.snapshot().notes.at(-1)).toMatchObject({ kind: "conflict", images: [1] });
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
  expect(store.snapshot().past.at(-1)!.facts).toHaveLength(2500);
  await store.undo();
  expect(labels().every((label) => label === NONE)).toBe(true);
});

test("agreeing takes the model's word for cells that nobody labelled", async () => {
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
    expect(service.facts.map((fact) => fact.label)).toEqual(["monocyte", null]);
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
    // What the service had not yet heard of: neither the label nor that it was taken back.
    service.full = false;
    service.fresh = columnsOf([{ id: 1, predicted: 1 }], 2);
    service.heard({ id: 7, kind: "readings", data: {} });
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
    expect(service.facts.at(-1)).toMatchObject({ image: 1, label: null });
    expect([...seen]).toEqual([0]);
  });

  test("a new deed ends what could be redone", async () => {
    await store.label([1], "monocyte");
    await store.undo();
    await store.label([2], "monocyte");
    expect(store.snapshot().future).toHaveLength(0);
  });
});

describe("what is heard", () => {
  test("another browser's labels are shown, older ones are not", () => {
    const fact = { image: 1, label_set: "cell_type", label: "monocyte", version: 9 };
    service.heard({ id: 4, kind: "labels", data: { facts: [fact] } });
    expect(labels()[0]).toBe(2);
    service.heard({ id: 5, kind: "labels", data: { facts: [{ ...fact, label: null, version: 3 }] } });
    service.heard({ id: 6, kind: "labels", data: { facts: [{ ...fact, label_set: "vacuoles", version: 12 }] } });
    expect(labels()[0]).toBe(2);
  });

  test("cells that the model moved are told, those of people are not", async () => {
    await store.label([3], "lymphocyte");
    service.full = false;
    service.fresh = columnsOf(
      [
        { id: 1, predicted: 2 },
        { id: 3, predicted: 0, label: 1, version: 1 },
      ],
      1,
    );
    service.heard({ id: 7, kind: "taught", data: { label_set: "cell_type", revision: 1 } });
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
    service.heard({ id: 7, kind: "taught", data: { label_set: "cell_type", revision: 2 } });
    await vi.waitFor(() => expect(store.snapshot().columns.predicted[0]).toBe(2));
    expect(store.snapshot().notes).toEqual([]);
  });

  test("a healed line asks for what was missed", async () => {
    const asked = service.columnsAsked.length;
    service.line(false);
    expect(store.snapshot().line).toBe("lost");
    service.line(true);
    await vi.waitFor(() => expect(service.columnsAsked.length).toBe(asked + 1));
    expect(store.snapshot().line).toBe("open");
  });

  test("a healed line sends what waits at once, and is not called healed before", async () => {
    const waiting = new ProjectStore(service, "cell_type", () => new Promise(() => {}));
    waiting.start();
    await vi.waitFor(() => expect(waiting.snapshot().phase).toBe("ready"));
    service.refuse = [offline(), offline()];
    const done = waiting.label([1], "monocyte");
    await vi.waitFor(() => expect(waiting.snapshot().line).toBe("lost"));
    service.line(true);
    expect(waiting.snapshot().line).toBe("lost");
    await vi.waitFor(() => expect(service.refuse).toHaveLength(0));
    service.line(true);
    await done;
    expect(service.facts).toHaveLength(1);
    expect(waiting.snapshot().line).toBe("open");
  });

  test("a full answer that is older than a label of ours does not take it away", async () => {
    await store.label([1], "monocyte");
    service.heard({ id: 8, kind: "readings", data: {} });
    await vi.waitFor(() => expect(service.columnsAsked).toHaveLength(2));
    expect(labels()[0]).toBe(2);
  });
});

test("rows that a delta cannot take away are read anew", async () => {
  service.full = false;
  service.total = 2;
  service.fresh = columnsOf([{ id: 1 }, { id: 2 }]);
  service.heard({ id: 9, kind: "readings", data: {} });
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
