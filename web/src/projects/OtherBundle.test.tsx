import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { ProjectShown } from "../api/schema";
import { OtherBundle } from "./OtherBundle";

const change = {
  here: false,
  project: { name: "lite0", version: "0.3.0", identity: "a" },
  service: { name: "lite0", version: "0.4.0", identity: "b" },
  ...{ cells: 3, to_read: 3, labelled: 1, signed: 0, panels: 0 },
  ...{ new_sets: [], new_classes: [], again: [], unread_sets: [], unread_classes: [], own_sets: [] },
};
const owner = { user: { id: 1, name: "amina", display: "Dr. Amina Diallo" }, role: "admin" };

function shown(role: string) {
  vi.spyOn(api, "GET").mockImplementation(((path: string) =>
    Promise.resolve({ data: path.endsWith("/members") ? { items: [owner] } : change })) as unknown as typeof api.GET);
  const project = { id: 7, name: "Slides", role, bundle_here: false } as ProjectShown;
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <OtherBundle project={project} />
    </QueryClientProvider>,
  );
}

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

test("an administrator reads what changes, then lets the service's bundle read the project", async () => {
  const post = vi
    .spyOn(api, "POST")
    .mockImplementation((() => Promise.resolve({ data: change })) as unknown as typeof api.POST);
  const { findByRole, getByText } = shown("admin");
  const button = await findByRole("button", { name: "Read this project with lite0 0.4.0" });
  expect(getByText(/3 cells are read anew/)).toBeTruthy();
  expect(getByText(/hemosight compare-bundles 7/)).toBeTruthy();
  expect(post).not.toHaveBeenCalled();
  fireEvent.click(button);
  await waitFor(() =>
    expect(post).toHaveBeenCalledWith("/projects/{project}/bundle", { params: { path: { project: 7 } } }),
  );
});

test("who administers nothing is told whom to ask, and has no button", async () => {
  const { findByText, queryByRole } = shown("viewer");
  expect(await findByText(/can let lite0 0.4.0 read it: Dr. Amina Diallo/)).toBeTruthy();
  expect(queryByRole("button")).toBeNull();
});
