import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { SigningRules } from "./SigningRules";

vi.mock("../project/context", () => ({ useProjectContext: () => ({ project: { id: 7 } }), useProjectState: vi.fn() }));
afterEach(cleanup);

const KEY = ["projects", 7, "signing-rules"];
const target = () => screen.getByLabelText<HTMLInputElement>("Leukocytes to be counted");
const button = () => screen.getByRole<HTMLButtonElement>("button", { name: "Save the rules" });

async function shown() {
  vi.spyOn(api, "GET").mockImplementation(((path: string) =>
    Promise.resolve({
      data: path.endsWith("/signing-rules") ? { target: 100, rules: [] } : { items: [] },
    })) as unknown as typeof api.GET);
  const client = new QueryClient();
  render(
    <QueryClientProvider client={client}>
      <SigningRules />
    </QueryClientProvider>,
  );
  await waitFor(() => expect(target().value).toBe("100"));
  return { saved: (rules: object) => act(() => void client.setQueryData(KEY, rules)) };
}

test("rules that nobody edits here follow what another administrator saves", async () => {
  const other = await shown();
  other.saved({ target: 200, rules: [] });
  await waitFor(() => expect(target().value).toBe("200"));
  expect(button().disabled).toBe(true);
  fireEvent.change(target(), { target: { value: "300" } });
  fireEvent.change(target(), { target: { value: "200" } });
  other.saved({ target: 400, rules: [] });
  await waitFor(() => expect(target().value).toBe("400"));
});

test("edited rules stay, say that others were saved meanwhile, and make way on request", async () => {
  const other = await shown();
  fireEvent.change(target(), { target: { value: "150" } });
  expect(screen.queryByRole("alert")).toBeNull();
  other.saved({ target: 200, rules: [] });
  await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("changed these settings meanwhile"));
  expect(target().value).toBe("150");
  fireEvent.click(screen.getByRole("button", { name: "take theirs" }));
  expect(target().value).toBe("200");
  expect(button().disabled).toBe(true);
});

test("what is typed while the rules are being saved stays, and is saved next", async () => {
  await shown();
  let saved = () => {};
  const sent: unknown[] = [];
  vi.spyOn(api, "PUT").mockImplementation(((_: string, { body }: { body: { target: number } }) => {
    sent.push(body.target);
    return new Promise((done) => {
      saved = () => done({ data: body });
    });
  }) as unknown as typeof api.PUT);
  fireEvent.change(target(), { target: { value: "15" } });
  fireEvent.click(button());
  await waitFor(() => expect(sent).toEqual([15]));
  fireEvent.change(target(), { target: { value: "150" } });
  act(() => saved());
  await waitFor(() => expect(button().disabled).toBe(false));
  expect(target().value).toBe("150");
  expect(screen.queryByRole("alert")).toBeNull();
  fireEvent.click(button());
  await waitFor(() => expect(sent).toEqual([15, 150]));
  act(() => saved());
  await screen.findByText("Saved.");
  expect(target().value).toBe("150");
});
