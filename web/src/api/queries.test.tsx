import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { expect, test, vi } from "vitest";
import { api } from "./client";
import { useCases, useProjects, useUsers } from "./queries";

test.each([
  ["projects", useProjects],
  ["accounts", useUsers],
  ["cases", () => useCases(7)],
])("all %s are there, however many pages they take", async (_, use) => {
  const there = Array.from({ length: 5 }, (_, at) => ({ id: at + 1 }));
  vi.spyOn(api, "GET").mockImplementation(((_: string, given?: { params: { query: { after: number } } }) => {
    const items = there.filter(({ id }) => id > (given?.params.query.after ?? 0)).slice(0, 2);
    return Promise.resolve({ data: { items, next: items.length < 2 ? null : items[1]!.id } });
  }) as unknown as typeof api.GET);
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const { result } = renderHook<{ data?: { id: number }[] }, void>(() => use(), { wrapper });
  await waitFor(() => expect(result.current.data).toEqual(there));
});
