import { beforeEach, describe, expect, test, vi } from "vitest";
import { ServiceFault } from "../api/client";
import type { LabelAnswer, NewLabels, NewTags } from "../api/schema";
import { NONE } from "../columns/columns";
import { columnsOf } from "../columns/made";
import type { ProjectService } from "./service";
import { ProjectStore } from "./store";

const away = () => new ServiceFault(503, { code: "unavailable", message: "No database at the moment." });
let faults: ServiceFault[];
let answers: Partial<LabelAnswer>[];
let labelled: number[];
let line: (open: boolean) => void;
let store: ProjectStore;

beforeEach(async () => {
  faults = [];
  answers = [];
  labelled = [];
  const service: Partial<ProjectService> = {
    columns: async () => ({ ...columnsOf([{ id: 1 }, { id: 2 }]), full: true, total: 2, etag: null }),
    label: async ({ items }: NewLabels) => {
      labelled.push(...items.map(({ image }) => image));
      const labels = items.map(({ image, label }) => ({ image, label, version: 5 }));
      return { labels, conflicts: [], undo: [5], taught_until: 0, ...answers.shift() };
    },
    tag: async ({ tag, images, on = true }: NewTags) => {
      const fault = faults.shift();
      if (fault) throw fault;
      return { tag, images, on };
    },
    listen: (_after, _onEvent, onConnection) => {
      line = onConnection;
      return () => {};
    },
  };
  store = new ProjectStore(service as ProjectService, "cell_type", async () => {});
  store.start();
  line(true);
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
});

describe("the lost line", () => {
  test("is no longer told once a tag that was sent again has arrived", async () => {
    faults = [away()];
    const lines = new Set<string>();
    store.subscribe(() => lines.add(store.snapshot().connection));
    await store.tag([1], "odd", true);
    expect(lines).toContain("lost");
    expect(store.snapshot().connection).toBe("open");
  });

  test("is told until events come again, whatever is saved meanwhile", async () => {
    line(false);
    await store.label([1], "monocyte");
    expect(store.snapshot().connection).toBe("lost");
    line(true);
    expect(store.snapshot().connection).toBe("open");
  });
});

test("a label that the page trips over is told, waits no longer and holds up none that comes after it", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  answers = [{ labels: null as never }];
  await store.label([1], "monocyte");
  expect(logged).toHaveBeenCalledOnce();
  expect(store.snapshot().notes).toMatchObject([{ kind: "fault", text: expect.stringContaining("Reload") }]);
  await store.label([2], "lymphocyte");
  expect(labelled).toEqual([1, 2]);
  expect([...store.snapshot().columns.label]).toEqual([NONE, 1]);
  expect(store.snapshot().pending.size).toBe(0);
});
