import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter } from "react-router";
import { expect, test, vi } from "vitest";
import { api } from "../api/client";
import { names } from "../api/queries";
import { useEntry } from "./Entry";

test("who signs in sees nothing that was loaded for whoever was here before", async () => {
  const client = new QueryClient();
  client.setQueryData(names.session, { user: null });
  client.setQueryData(names.projects, ["a project of Ada's"]);
  client.setQueryData(["projects", 7, "views"], ["Ada's own view"]);
  const session = { user: { id: 2, name: "bela" }, csrf: "token" };
  vi.spyOn(api, "GET").mockImplementation((() => Promise.resolve({ data: session })) as unknown as typeof api.GET);
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>
      <MemoryRouter>{children}</MemoryRouter>
    </QueryClientProvider>
  );
  const { result } = renderHook(() => useEntry(() => Promise.resolve(), "/projects"), { wrapper });
  act(() => result.current.mutate());
  await waitFor(() => expect(result.current.isSuccess).toBe(true));
  expect(client.getQueryData(names.session)).toEqual(session);
  expect(client.getQueryData(names.projects)).toBeUndefined();
  expect(client.getQueryData(["projects", 7, "views"])).toBeUndefined();
});
