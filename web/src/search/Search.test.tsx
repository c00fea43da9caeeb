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
import Search from "./Search";

let store: ProjectStore;
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "reviewer" }, store }),
  useProjectState: (pick: (state: ProjectState) => unknown) =>
    useSyncExternalStore(store.subscribe, () => pick(store.snapshot())),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

const BELA = { user: { id: 2, name: "bela", display: "Béla Novák" }, role: "reviewer" };
let tell: OnEvent;
let coming: number[];
let targets: string[];
let labels: NewLabels[];

/** A search in which these cells come next. */
const found = (text: string) => ({
  items: coming.map((image) => ({ image, way: "ranked", probability: 0.4 })),
  ...{ text, cells: 9, looked: 0, ranked: 0, ranked_found: 0, random: 0, random_found: 0, way: "ranked", labels: null },
  ...{ estimate: null, low: 0, high: 9, below: 0.01, decided: null, further: null },
});

const given = (image: number) => {
  const label = { image, label_set: "cell_type", label: "lymphocyte", version: 9, user: BELA.user.id };
  tell({ kind: "labels", labels: [label], by: BELA.user.id }, 4);
};

beforeEach(async () => {
  const cells: Cell[] = [{ id: 1 }, { id: 2 }, { id: 3 }];
  const service: Partial<ProjectService> = {
    columns: async () => ({ ...columnsOf(cells), full: true, total: cells.length, etag: null }),
    listen: (_after, onEvent) => {
      tell = onEvent;
      return () => {};
    },
  };
  store = new ProjectStore(service as ProjectService, "cell_type", async () => {});
  store.start();
  await vi.waitFor(() => expect(store.snapshot().phase).toBe("ready"));
  coming = [1, 2, 3];
  targets = [];
  labels = [];
  vi.spyOn(api, "GET").mockImplementation(((path: string, { params }: { params: { query: { target: string } } }) => {
    if (path.endsWith("/members")) return Promise.resolve({ data: { items: [BELA] } });
    targets.push(params.query.target);
    return Promise.resolve({ data: found(`asked for ${params.query.target}`) });
  }) as unknown as typeof api.GET);
});

const posting = (answer: () => Promise<unknown>) =>
  vi.spyOn(api, "POST").mockImplementation(answer as unknown as typeof api.POST);

function opened() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Search />
      </MemoryRouter>
    </QueryClientProvider>,
  );
}

test("while a look is under way another search cannot be chosen", async () => {
  let answer = () => {};
  posting(() => new Promise((done) => (answer = () => done({ data: found("looked") }))));
  const page = opened();
  await page.findByAltText("Cell 1");
  const selects = page.getAllByRole("combobox") as HTMLSelectElement[];
  expect(selects.map(({ disabled }) => disabled)).toEqual([false, false]);
  fireEvent.keyDown(window, { key: "n" });
  await waitFor(() => expect(selects.map(({ disabled }) => disabled)).toEqual([true, true]));
  coming = [2, 3];
  answer();
  await page.findByAltText("Cell 2");
  expect(selects.map(({ disabled }) => disabled)).toEqual([false, false]);
});

test("labels of others are news, and the cell in hand stays, with its label", async () => {
  const page = opened();
  await page.findByText("asked for neutrophil");
  coming = [3, 2];
  given(1);
  await waitFor(() => expect(targets).toHaveLength(2));
  await waitFor(() => expect(page.container.textContent).toContain("Labelled Lymphocyte by Béla Novák"));
  expect(page.getByAltText("Cell 1")).toBeTruthy();
  posting(() => Promise.resolve({ data: found("looked") }));
  fireEvent.keyDown(window, { key: "n" });
  await page.findByAltText("Cell 3");
  expect(targets).toHaveLength(2);
});

test("an answer from before a look does not come after it", async () => {
  const page = opened();
  await page.findByAltText("Cell 1");
  let late = () => {};
  vi.mocked(api.GET).mockImplementation((() => {
    const data = found("before the look");
    return new Promise((done) => (late = () => done({ data })));
  }) as unknown as typeof api.GET);
  given(3);
  await waitFor(() => expect(vi.mocked(api.GET).mock.calls.length).toBeGreaterThan(2));
  coming = [2, 3];
  posting(() => Promise.resolve({ data: found("looked") }));
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("looked");
  late();
  await new Promise((done) => setTimeout(done));
  expect(page.getByAltText("Cell 2")).toBeTruthy();
  expect(page.getByText("looked")).toBeTruthy();
});

test("news that do not come leave the cell in hand where it is", async () => {
  const page = opened();
  await page.findByAltText("Cell 1");
  const away = new ServiceFault(500, { code: "internal", message: "Not now." });
  const asked = vi.mocked(api.GET).mockImplementation((() => Promise.reject(away)) as unknown as typeof api.GET);
  const before = asked.mock.calls.length;
  given(3);
  await waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(before));
  await new Promise((done) => setTimeout(done));
  expect(page.getByAltText("Cell 1")).toBeTruthy();
});

test("a cell whose turn is over is let go", async () => {
  const over = new ServiceFault(409, { code: "in_the_way", message: "Another cell is next." });
  posting(() => Promise.reject(over));
  const page = opened();
  await page.findByAltText("Cell 1");
  coming = [2];
  fireEvent.keyDown(window, { key: "n" });
  await page.findByAltText("Cell 2");
  expect(page.container.textContent).toContain("Another cell is next.");
});

const OVER = new ServiceFault(409, { code: "in_the_way", message: "Another cell is next." });

test("what was found in a cell whose turn is over is still its label", async () => {
  vi.spyOn(api, "POST").mockImplementation(((path: string, { body }: { body: NewLabels }) => {
    if (path.endsWith("/search")) return Promise.reject(OVER);
    labels.push(body);
    const stored = [{ image: 1, version: 9, label: "neutrophil" }];
    return Promise.resolve({ data: { labels: stored, conflicts: [], undo: [9], taught_until: 0 } });
  }) as unknown as typeof api.POST);
  const page = opened();
  await page.findByAltText("Cell 1");
  coming = [2];
  fireEvent.keyDown(window, { key: "y" });
  await page.findByAltText("Cell 2");
  expect(labels.map(({ items }) => items)).toEqual([[{ image: 1, label: "neutrophil", version: 0 }]]);
  expect(store.snapshot().columns.label[0]).toBe(0);
  expect(page.container.textContent).toContain("got its label");
  coming = [3];
  fireEvent.keyDown(window, { key: "n" });
  await page.findByAltText("Cell 3");
  expect(page.container.textContent).not.toContain("got its label");
});

test("a label that is refused is said on this screen", async () => {
  posting(() => Promise.reject(new ServiceFault(409, { code: "locked", message: "The case is signed." })));
  const page = opened();
  await page.findByAltText("Cell 1");
  coming = [2];
  fireEvent.keyDown(window, { key: "y" });
  await page.findByAltText("Cell 2");
  await page.findByText("The case is signed.");
  expect(page.container.textContent).not.toContain("got its label");
});
