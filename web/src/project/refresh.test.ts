import { beforeEach, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { LiveEvent } from "../api/schema";
import { columnsOf, MARKS } from "../columns/made";
import type { OnEvent, ProjectService } from "./service";
import { ProjectStore } from "./store";

const away = (status: number) => new ServiceFault(status, { code: String(status), message: "Not now." });
const readings: LiveEvent = { kind: "readings", read: 1, waiting: 0, images: [] };
const removed: LiveEvent = { kind: "images", added: 0, removed: 1, moved: 0, renamed: 0, upload: null };

/** Answers with the columns it has, once the answers before them in `faults` are given. */
class Columns implements Partial<ProjectService> {
  cells = [{ id: 1, predicted: 0 }];
  faults: (ServiceFault | Promise<void>)[] = [];
  asked: [string, number | null][] = [];
  onEvent: OnEvent = () => {};
  onConnection: (open: boolean) => void = () => {};

  readonly columns: ProjectService["columns"] = async (labelSet, since) => {
    this.asked.push([labelSet, since]);
    const fault = this.faults.shift();
    if (fault instanceof ServiceFault) throw fault;
    await fault;
    const classes = labelSet === "cell_type" ? MARKS : [{ ...MARKS[0]!, name: "many" }];
    return { ...columnsOf(this.cells, 3), labelSet, classes, full: true, total: this.cells.length, etag: null };
  };

  listen(_after: number | null, onEvent: OnEvent, onConnection: (open: boolean) => void) {
    this.onEvent = onEvent;
    this.onConnection = onConnection;
    return () => {};
  }
}

let service: Columns;
let store: ProjectStore;
let pauses: number[];

beforeEach(async () => {
  service = new Columns();
  pauses = [];
  const pause = async (ms: number) => void pauses.push(ms);
  store = new ProjectStore(service as unknown as ProjectService, "cell_type", pause);
  store.start();
  service.onConnection(true);
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
});

test.each([0, 503, 504, 429])(
  "news that could not be asked for (%i) are asked for again, and the page says so",
  async (status) => {
    service.faults = [away(status), away(status)];
    service.cells = [{ id: 1, predicted: 2 }];
    const lines: string[] = [];
    store.subscribe(() => lines.push(store.snapshot().connection));
    service.onEvent(readings, 4);
    await vi.waitFor(() => expect(store.snapshot().columns.predicted[0]).toBe(2));
    expect(lines).toContain("lost");
    expect(store.snapshot().connection).toBe("open");
    expect(pauses.slice(-3)).toEqual([500, 1000, 250]);
  },
);

test("what was refused is not asked again", async () => {
  const before = service.asked.length;
  service.faults = [away(403)];
  service.onEvent(readings, 4);
  await new Promise((done) => setTimeout(done));
  expect(service.asked).toHaveLength(before + 1);
  expect(store.snapshot().connection).toBe("open");
});

test.each([403, 404])(
  "a refusal (%i) ends the tries after a break, and the page no longer says that it tries",
  async (status) => {
    service.faults = [away(503), away(status)];
    const lines: string[] = [];
    store.subscribe(() => lines.push(store.snapshot().connection));
    service.onEvent(readings, 4);
    await vi.waitFor(() => expect(service.faults).toHaveLength(0));
    await vi.waitFor(() => expect(store.snapshot().connection).toBe("open"));
    expect(lines).toContain("lost");
    const asked = service.asked.length;
    await new Promise((done) => setTimeout(done));
    expect(service.asked).toHaveLength(asked);
  },
);

test("rows that are gone are still gone after a failure", async () => {
  service.faults = [away(503)];
  service.onEvent(removed, 4);
  await vi.waitFor(() => expect(service.asked).toHaveLength(3));
  expect(service.asked.map(([, since]) => since)).toEqual([null, null, null]);
});

test("while no events come, an answer does not make the line whole", async () => {
  service.onConnection(false);
  service.faults = [away(0)];
  await store.refresh();
  await vi.waitFor(() => expect(service.faults).toHaveLength(0));
  await store.refresh();
  expect(store.snapshot().connection).toBe("lost");
});

test("a mended line and another label set end the wait", async () => {
  const slow = new ProjectStore(service as unknown as ProjectService, "cell_type", (ms) =>
    ms > 250 ? new Promise(() => {}) : Promise.resolve(),
  );
  slow.start();
  service.onConnection(true);
  await vi.waitFor(() => expect(slow.snapshot().phase).toBe("ready"));
  service.faults = [away(503), away(503)];
  service.onEvent(readings, 4);
  await vi.waitFor(() => expect(service.faults).toHaveLength(1));
  service.onConnection(true);
  await vi.waitFor(() => expect(service.faults).toHaveLength(0));
  expect(await slow.useLabelSet("vacuoles")).toBe(true);
});

test("another label set is there with its classes, whatever was under way", async () => {
  let answer = () => {};
  service.faults = [new Promise<void>((done) => (answer = done))];
  service.onEvent(readings, 4);
  const used = store.useLabelSet("vacuoles");
  answer();
  expect(await used).toBe(true);
  expect(store.snapshot().columns.classes.map(({ name }) => name)).toEqual(["many"]);
});

test("a label set that another one replaced, or that does not come, is not there", async () => {
  const first = store.useLabelSet("vacuoles");
  expect(await store.useLabelSet("cell_type")).toBe(true);
  expect(await first).toBe(false);
  await store.refresh();
  service.faults = [away(404)];
  expect(await store.useLabelSet("vacuoles")).toBe(false);
});
