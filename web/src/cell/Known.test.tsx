import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { columnsOf } from "../columns/made";
import { Known } from "./Known";

let state = { columns: columnsOf([{ id: 5 }]), events: {} };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a type that a person gives is asked for at once, in a cell that was looked at before", async () => {
  let undrawn: string[] = [];
  vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({
      data: { signed: [], signed_cells: 0, drawn: [], undrawn, reference: [], reference_cells: 0 },
    })) as unknown as typeof api.GET);
  const client = new QueryClient();
  const panel = () => (
    <QueryClientProvider client={client}>
      <Known image={5} />
    </QueryClientProvider>
  );
  const page = render(panel());
  await waitFor(() => expect(page.container.textContent).toContain("Nobody has signed"));
  expect(page.container.textContent).not.toContain("Neither signed nor drawn");

  undrawn = ["lymphocyte"];
  state = { columns: columnsOf([{ id: 5, label: 1, version: 12 }]), events: {} };
  page.rerender(panel());
  await waitFor(() => expect(page.container.textContent).toContain("Neither signed nor drawn: Lymphocyte."));

  undrawn = ["lymphocyte", "monocyte"];
  state = { columns: { ...state.columns, taughtUntil: 12 }, events: {} };
  page.rerender(panel());
  await waitFor(() => expect(page.container.textContent).toContain("Lymphocyte, Monocyte."));
});

test("while others label, known cells are asked for every two seconds; after a label of the cell itself, at once", async () => {
  vi.useFakeTimers();
  const asked = vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({
      data: { signed: [], signed_cells: 0, drawn: [], undrawn: [], reference: [], reference_cells: 0 },
    })) as unknown as typeof api.GET);
  state = { columns: columnsOf([{ id: 5 }]), events: {} };
  const client = new QueryClient();
  const panel = () => (
    <QueryClientProvider client={client}>
      <Known image={5} />
    </QueryClientProvider>
  );
  const page = render(panel());
  const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
  const now = async (some: Partial<typeof state.columns>) => {
    state = { ...state, columns: { ...state.columns, ...some } };
    page.rerender(panel());
    await pass(10);
  };
  await pass(10);
  expect(asked).toHaveBeenCalledTimes(1);
  await now({ taughtUntil: 1 });
  expect(asked).toHaveBeenCalledTimes(2);
  for (const taughtUntil of [2, 3, 4, 5]) await now({ taughtUntil });
  expect(asked).toHaveBeenCalledTimes(2);
  await now({ version: Float64Array.of(9) });
  expect(asked).toHaveBeenCalledTimes(3);
  await pass(2000);
  expect(asked).toHaveBeenCalledTimes(4);
});
