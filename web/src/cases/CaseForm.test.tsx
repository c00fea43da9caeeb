import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { CaseShown } from "../api/schema";
import { CaseForm } from "./CaseForm";

vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "reviewer" } }),
  useProjectState: () => "",
}));
vi.mock("../profiles/profiles", () => ({
  useProfiles: () => ({ data: undefined }),
  useProfileActions: () => ({ choose: { error: null } }),
}));
const CASE = {
  id: 3,
  key: "24-1093",
  accession: "H26-1",
  collected_at: "2026-11-27T10:13:45Z",
  received_at: null,
  wbc: 11.4,
  note: "",
  assigned_to: null,
  signed: true,
  images: 200,
} as CaseShown;
afterEach(cleanup);

function open(close = () => {}) {
  const sent: unknown[] = [];
  vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({ data: { items: [] } })) as unknown as typeof api.GET);
  vi.spyOn(api, "PATCH").mockImplementation(((_: string, { body }: { body: object }) => {
    sent.push(body);
    return Promise.resolve({ data: CASE });
  }) as unknown as typeof api.PATCH);
  render(
    <QueryClientProvider client={new QueryClient()}>
      <CaseForm given={CASE} close={close} />
    </QueryClientProvider>,
  );
  return sent;
}

test("what somebody else saved meanwhile, and what is locked, is not sent along", async () => {
  const sent = open();
  fireEvent.change(screen.getByLabelText("Remark"), { target: { value: "clotted" } });
  fireEvent.change(screen.getByLabelText("Leukocytes (10⁹/L)"), { target: { value: "" } });
  fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(sent).toEqual([{ note: "clotted", wbc: null }]));
});

test("where nothing was changed nothing is sent", async () => {
  const close = vi.fn();
  const sent = open(close);
  fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(close).toHaveBeenCalled());
  expect(sent).toEqual([]);
});
