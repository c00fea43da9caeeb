import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import Settings from "./Settings";

const PROJECT = { id: 7, name: "Films", description: "", teaching: true, teaching_weight: 20, second_signer: false };
let project: object = { ...PROJECT, names: "kept", images: 3, archived: false, bundle: "lite0" };
vi.mock("../project/context", () => ({ useProjectContext: () => ({ project }), useProjectState: vi.fn() }));
vi.mock("../profiles/Scanners", () => ({ Scanners: () => null }));
vi.mock("../signing/SigningRules", () => ({ SigningRules: () => null }));
vi.mock("../findings/ReportSettings", () => ({ ReportSettings: () => null }));
vi.mock("../admin/AuditLog", () => ({ AuditLog: () => null }));
afterEach(cleanup);

test("only what was changed here is sent; the rest follows what another administrator saves", async () => {
  const sent: unknown[] = [];
  vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({ data: { items: [] } })) as unknown as typeof api.GET);
  vi.spyOn(api, "PATCH").mockImplementation(((_: string, { body }: { body: object }) => {
    sent.push(body);
    return Promise.resolve({ data: { ...project, ...body } });
  }) as unknown as typeof api.PATCH);
  const client = new QueryClient();
  const page = () => (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Settings />
      </MemoryRouter>
    </QueryClientProvider>
  );
  const shown = render(page());
  const save = screen.getByRole<HTMLButtonElement>("button", { name: "Save" });
  expect(save.disabled).toBe(true);
  project = { ...project, second_signer: true };
  shown.rerender(page());
  expect(screen.getByLabelText<HTMLInputElement>("A report needs a second person's signature").checked).toBe(true);
  expect(save.disabled).toBe(true);
  fireEvent.change(screen.getByLabelText("Name"), { target: { value: "Smears" } });
  fireEvent.click(save);
  await waitFor(() => expect(sent).toEqual([{ name: "Smears" }]));
});

test("what is typed while the project is being saved stays", async () => {
  project = { ...PROJECT, names: "kept", images: 3, archived: false, bundle: "lite0" };
  vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({ data: { items: [] } })) as unknown as typeof api.GET);
  let saved = () => {};
  const patch = vi.spyOn(api, "PATCH").mockImplementation(((_: string, { body }: { body: object }) => {
    return new Promise((done) => {
      saved = () => {
        project = { ...project, ...body };
        done({ data: project });
      };
    });
  }) as unknown as typeof api.PATCH);
  const client = new QueryClient();
  const page = () => (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Settings />
      </MemoryRouter>
    </QueryClientProvider>
  );
  const shown = render(page());
  const save = screen.getByRole<HTMLButtonElement>("button", { name: "Save" });
  fireEvent.change(screen.getByLabelText("Name"), { target: { value: "Smears" } });
  fireEvent.change(screen.getByLabelText("Description"), { target: { value: "Of" } });
  fireEvent.click(save);
  await waitFor(() => expect(patch).toHaveBeenCalledTimes(1));
  fireEvent.change(screen.getByLabelText("Description"), { target: { value: "Of 2026" } });
  act(() => saved());
  await waitFor(() => expect(save.disabled).toBe(false));
  shown.rerender(page());
  expect(screen.getByLabelText<HTMLTextAreaElement>("Description").value).toBe("Of 2026");
  expect(screen.queryByText("Saved.")).toBeNull();
  patch.mockClear();
  fireEvent.click(save);
  const sent = expect.objectContaining({ body: { description: "Of 2026" } });
  await waitFor(() => expect(patch).toHaveBeenCalledWith(expect.anything(), sent));
});
