import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import Panels, { LOOK_AGAIN } from "./Panels";

vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "viewer" } }),
  useProjectState: vi.fn(),
}));
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

test("how far others have come in a panel is looked at again while the list is open", async () => {
  vi.useFakeTimers();
  let times = 0;
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    if (path.endsWith("/panels")) times++;
    return Promise.resolve({ data: { items: [] } });
  }) as unknown as typeof api.GET);
  render(
    <QueryClientProvider client={new QueryClient()}>
      <MemoryRouter>
        <Panels />
      </MemoryRouter>
    </QueryClientProvider>,
  );
  await act(() => vi.advanceTimersByTimeAsync(100));
  expect(times).toBe(1);
  await act(() => vi.advanceTimersByTimeAsync(LOOK_AGAIN));
  expect(times).toBe(2);
});
