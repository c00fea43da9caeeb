import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, configure, fireEvent, render } from "@testing-library/react";
import { MemoryRouter, Route, Routes } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import { columnsOf } from "../columns/made";
import Panel from "./Panel";

const state = { columns: columnsOf([{ id: 5 }]), events: {} };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "reviewer" } }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));
vi.mock("./Results", () => ({ Results: () => <p>Results</p> }));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

let next: { image: number; turn: number; shown: null; done: number; total: number };
let closed_at: string | null;
let client: QueryClient;
beforeEach(() => {
  next = { image: 11, turn: 1, shown: null, done: 0, total: 9 };
  closed_at = null;
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    const panel = { id: 3, title: "October", reads: true, readers: [], total: 9, closed_at, timed: false, planted: 0 };
    return Promise.resolve({ data: path.endsWith("/next") ? next : panel });
  }) as unknown as typeof api.GET);
});

const refusal = (status: number) => new ServiceFault(status, { code: "in_the_way", message: "Another cell is next." });
const refuse = (status: number) =>
  vi.spyOn(api, "POST").mockImplementation((() => Promise.reject(refusal(status))) as unknown as typeof api.POST);

const opened = () =>
  render(
    <QueryClientProvider client={client}>
      <MemoryRouter initialEntries={["/panels/3"]}>
        <Routes>
          <Route path="/panels/:panel" element={<Panel />} />
        </Routes>
      </MemoryRouter>
    </QueryClientProvider>,
  );

test("whoever read on in another tab is told so, and goes on there", async () => {
  refuse(409);
  const page = opened();
  await page.findByText("1 of 9");
  next = { ...next, image: 12, done: 1 };
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("2 of 9");
  expect(page.getByAltText("Cell to read").getAttribute("src")).toContain("/images/12/");
  expect(page.container.textContent).toContain("Another cell is next.");
});

test("a panel that was closed meanwhile shows its results", async () => {
  refuse(409);
  const page = opened();
  await page.findByText("1 of 9");
  closed_at = "2026-11-28T08:00:00Z";
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("Results");
});

test("a reading that did not reach the service leaves the cell where it is", async () => {
  const post = refuse(0);
  const page = opened();
  await page.findByText("1 of 9");
  const asked = vi.mocked(api.GET).mock.calls.length;
  fireEvent.keyDown(window, { key: "n" });
  await page.findByText("Another cell is next.");
  expect(post).toHaveBeenCalledTimes(1);
  expect(vi.mocked(api.GET).mock.calls).toHaveLength(asked);
});

test("whoever comes back is asked for the cell that is next by now", async () => {
  const before = opened();
  await before.findByText("1 of 9");
  before.unmount();
  await new Promise((done) => setTimeout(done));
  next = { ...next, image: 14, done: 3 };
  await opened().findByText("4 of 9");
});
