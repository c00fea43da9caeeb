import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { ReportSettings } from "./ReportSettings";

vi.mock("../project/context", () => ({ useProjectContext: () => ({ project: { id: 7 } }), useProjectState: vi.fn() }));
afterEach(cleanup);

test("what is typed while the report's settings are being saved stays", async () => {
  const settings = { laboratory: "", address: "", zone: "UTC", ranges: [], blocks: [] };
  vi.spyOn(api, "GET").mockImplementation(((path: string) =>
    Promise.resolve({
      data: path.endsWith("/report-settings") ? settings : { items: [] },
    })) as unknown as typeof api.GET);
  let saved = () => {};
  const put = vi.spyOn(api, "PUT").mockImplementation(((_: string, { body }: { body: object }) => {
    return new Promise((done) => {
      saved = () => done({ data: body });
    });
  }) as unknown as typeof api.PUT);
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ReportSettings />
    </QueryClientProvider>,
  );
  const name = await screen.findByLabelText<HTMLInputElement>("Laboratory");
  const save = screen.getByRole<HTMLButtonElement>("button", { name: "Save the report's settings" });
  fireEvent.change(name, { target: { value: "Haem" } });
  fireEvent.click(save);
  await waitFor(() => expect(put).toHaveBeenCalledTimes(1));
  fireEvent.change(name, { target: { value: "Haematology" } });
  act(() => saved());
  await waitFor(() => expect(save.disabled).toBe(false));
  expect(name.value).toBe("Haematology");
  expect(screen.queryByRole("alert")).toBeNull();
});
