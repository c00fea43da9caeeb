import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, configure, fireEvent, render, waitFor } from "@testing-library/react";
import { useSyncExternalStore } from "react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import type { NewLabels } from "../api/schema";
import { type Cell, columnsOf } from "../columns/made";
import type { OnEvent, ProjectService } from "../project/service";
import type { ProjectState } from "../project/state";
import { ProjectStore } from "../project/store";
import Queue from "./Queue";

let store: ProjectStore;
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "reviewer" }, store }),
  useProjectState: (pick: (state: ProjectState) => unknown) =>
    useSyncExternalStore(store.subscribe, () => pick(store.snapshot())),
}));
vi.mock("../foreign/familiarity", () => ({ useFamiliarity: () => null, useTrust: () => null }));
vi.mock("../foreign/Trust", () => ({ Trust: () => null }));
vi.mock("../foreign/Banner", () => ({ ForeignBanner: () => null }));
vi.mock("../signing/SignedBanner", () => ({ SignedBanner: () => null }));
vi.mock("../profiles/Adapting", () => ({ ScaleFirst: () => null }));
vi.mock("../gallery/Notes", () => ({ Notes: () => null }));
vi.mock("./Learning", () => ({ Learning: () => null }));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

const BELA = { user: { id: 2, name: "bela", display: "Béla Novák" }, role: "reviewer" };
let sent: NewLabels[];
let tell: OnEvent;
let offered: number[];
/** What was to be left out, round after round. */
let skips: number[][];
let next: (items: object[]) => Promise<unknown>;
let client: QueryClient;

async function project(cells: Cell[]): Promise<void> {
  const columns = { ...columnsOf(cells), full: true, total: cells.length, etag: null };
  for (let row = 0; row < cells.length; row++) if (cells[row]!.version) columns.labelled_by[row] = BELA.user.id;
  const service: Partial<ProjectService> = {
    columns: async () => columns,
    label: async (request) => {
      sent.push(request);
      const labels = request.items.map(({ image, label }, at) => ({ image, label, version: 90 + sent.length + at }));
      return { labels, conflicts: [], undo: labels.map(({ version }) => version), taught_until: 0 };
    },
    listen: (_after, onEvent) => {
      tell = onEvent;
      return () => {};
    },
  };
  store = new ProjectStore(service as ProjectService, "cell_type", async () => {});
  store.start();
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
}

beforeEach(() => {
  sent = [];
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  skips = [];
  next = (items) => Promise.resolve({ data: { items, curve: [] } });
  vi.spyOn(api, "GET").mockImplementation(((path: string, { params }: { params: { query: { skip?: number[] } } }) => {
    if (path.endsWith("/members")) return Promise.resolve({ data: { items: [BELA] } });
    const skip = params.query.skip ?? [];
    skips.push(skip);
    const left = offered.filter((image) => !skip.includes(image)).slice(0, 2);
    return next(left.map((image) => ({ image, reason: "least sure", predicted: "monocyte", probability: 0.4 })));
  }) as unknown as typeof api.GET);
});

const opened = () =>
  render(
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Queue />
      </MemoryRouter>
    </QueryClientProvider>,
  );

test("coming back asks anew, and never what was labelled since", async () => {
  await project([{ id: 1 }, { id: 2 }, { id: 3 }]);
  offered = [1, 2];
  const before = opened();
  await before.findByAltText("Cell 1");
  before.unmount();
  await new Promise((done) => setTimeout(done));
  await store.label([1], "monocyte");
  offered = [3];
  const after = opened();
  await after.findByAltText("Cell 3");
  expect(after.queryByAltText("Cell 1")).toBeNull();
});

test("what was labelled before the answer came is left out of it", async () => {
  await project([{ id: 1, label: 2, version: 8 }, { id: 2 }]);
  offered = [1, 2];
  await opened().findByAltText("Cell 2");
});

test("a colleague's label of the cell in hand is on the screen before an answer takes its place", async () => {
  await project([{ id: 1, predicted: 2 }, { id: 2 }]);
  offered = [1, 2];
  const page = opened();
  await page.findByAltText("Cell 1");
  expect(page.container.textContent).not.toContain("Labelled");
  const label = { image: 1, label_set: "cell_type", label: "lymphocyte", version: 9, user: BELA.user.id };
  tell({ kind: "labels", labels: [label], by: BELA.user.id }, 4);
  await waitFor(() => expect(page.container.textContent).toContain("Labelled Lymphocyte by Béla Novák"));
  fireEvent.keyDown(window, { key: "n" });
  await page.findByAltText("Cell 2");
  fireEvent.keyDown(window, { key: "ArrowLeft" });
  await waitFor(() => expect(page.container.textContent).toMatch(/Labelled Neutrophil(?! by)/));
});

test("another label set begins its own walk", async () => {
  await project([{ id: 1 }, { id: 2 }]);
  offered = [1, 2];
  const page = opened();
  await page.findByAltText("Cell 1");
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("2 · of no case ·");
  await store.useLabelSet("vacuoles");
  await page.findByText("1 · of no case ·");
});

const skip = () => fireEvent.keyDown(window, { key: "ArrowRight" });

test("skipping cell after cell comes by every open one before nothing is left", async () => {
  await project([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }, { id: 5 }]);
  offered = [1, 2, 3, 4, 5];
  const page = opened();
  for (const image of offered) {
    await page.findByAltText(`Cell ${image}`);
    skip();
  }
  await page.findByText("Nothing is left to ask");
  expect(skips.at(-1)).toEqual([1, 2, 3, 4, 5]);
});

test("a cell whose label was refused comes again before nothing is left, with no answer pressed", async () => {
  await project([{ id: 1 }, { id: 2 }]);
  store.label = () => Promise.resolve(undefined as never); // as if refused: no label lasts
  offered = [1, 2];
  const page = opened();
  await page.findByAltText("Cell 1");
  fireEvent.keyDown(window, { key: "n" });
  await page.findByAltText("Cell 2");
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("3 · of no case ·");
  await page.findByAltText("Cell 1");
  expect(page.container.querySelectorAll("[aria-pressed=true]")).toHaveLength(0);
  skip();
  await page.findByText("4 · of no case ·");
  await page.findByAltText("Cell 2");
  skip();
  await page.findByText("Nothing is left to ask");
});

test("a queue that has ended asks again when cells have been read", async () => {
  await project([{ id: 1 }]);
  offered = [];
  const page = opened();
  await page.findByText("Nothing is left to ask");
  offered = [1];
  tell({ kind: "readings", read: 1, waiting: 0, images: [1] }, 4);
  await page.findByAltText("Cell 1");
  skip();
  await page.findByText("Nothing is left to ask");
});

test("at the end of what came the next cells are waited for, and a failure says so", async () => {
  await project([{ id: 1 }, { id: 2 }, { id: 3 }]);
  offered = [1, 2, 3];
  const page = opened();
  await page.findByAltText("Cell 1");
  let fail = () => {};
  next = () =>
    new Promise((_, reject) => {
      fail = () => reject(new ServiceFault(500, { code: "internal", message: "Not now." }));
    });
  skip();
  skip();
  await page.findByText("Choosing what to ask");
  expect(page.queryByText("Nothing is left to ask")).toBeNull();
  fail();
  await page.findByText("Not now.");
  expect(page.queryByText("Nothing is left to ask")).toBeNull();
  next = (items) => Promise.resolve({ data: { items, curve: [] } });
  fireEvent.click(page.getByRole("button", { name: "Try again" }));
  await page.findByAltText("Cell 3");
});

test("a round that set out before the walk came to its end does not end it", async () => {
  await project([{ id: 1 }, { id: 2 }, { id: 3 }]);
  offered = [1, 2, 3];
  const page = opened();
  await page.findByAltText("Cell 1");
  skip();
  await page.findByAltText("Cell 2");
  const answers: (() => void)[] = [];
  next = (items) => new Promise((done) => answers.push(() => done({ data: { items, curve: [] } })));
  fireEvent.change(page.getByLabelText("Ask about"), { target: { value: "margin" } });
  await waitFor(() => expect(answers).toHaveLength(1));
  answers[0]!();
  await page.findByAltText("Cell 1");
  skip();
  skip();
  await waitFor(() => expect(answers).toHaveLength(2));
  await page.findByText("Choosing what to ask");
  answers[1]!();
  await page.findByAltText("Cell 3");
});
