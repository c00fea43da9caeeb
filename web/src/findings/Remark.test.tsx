import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { useState } from "react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import type { DifferentialShown, Findings, ProjectShown, SigningShown, UserShown } from "../api/schema";
import { Live } from "../projects/Frame";
import { SignOff } from "../report/SignOff";
import { FindingsForm } from "./FindingsForm";

let events: Record<string, number>;
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (given: { events: typeof events }) => unknown) => pick({ events }),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do

/** What the service has, what it says to a change, and what came to be signed. */
let findings: Findings;
let storing: () => Promise<unknown>;
let signed: unknown[];

const AWAY = new ServiceFault(503, { code: "unavailable", message: "Not now." });
const BEHIND = new ServiceFault(409, { code: "conflict", message: "Somebody else wrote." });

beforeEach(() => {
  findings = { version: 3, remark: "", grades: {}, platelets: null, cells: [] } as unknown as Findings;
  storing = () => Promise.reject(AWAY);
  signed = [];
  events = {};
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    if (path.endsWith("/report-settings")) return Promise.resolve({ data: { blocks: [{ key: "b", text: "Block." }] } });
    return Promise.resolve({ data: path.endsWith("/findings") ? findings : { items: [] } });
  }) as unknown as typeof api.GET);
  vi.spyOn(api, "PATCH").mockImplementation((() => storing()) as unknown as typeof api.PATCH);
  vi.spyOn(api, "POST").mockImplementation(((_: string, { body }: { body: { findings: unknown } }) => {
    signed.push(body.findings);
    return Promise.resolve({ data: {} });
  }) as unknown as typeof api.POST);
});
afterEach(cleanup);

const SIGNING = {
  ...{ checks: [], confirm: "none", locked: false, amendment: null, facts: "f1" },
  specimen: { key: "24-1", accession: "", collected_at: null, received_at: null, wbc: null, note: "" },
  settings: { project: "Films", laboratory: "", address: "", zone: "UTC", ranges: [] },
  profile: { id: 1, name: "Scanner 1", scale: 1, scale_from: "default" },
} as unknown as SigningShown;

/** The form and the signatures, as the report has them. */
function Both() {
  const [unstored, setUnstored] = useState(false);
  return (
    <>
      <FindingsForm ofCase={3} may setUnstored={setUnstored} />
      <SignOff
        project={{ id: 7, role: "reviewer", archived: false } as ProjectShown}
        chosen={3}
        heading="case 24-1"
        live={{ total: 100, digest: "d1", level: "type" } as unknown as DifferentialShown}
        signing={SIGNING}
        all={[]}
        showing="now"
        show={() => {}}
        several={false}
        user={{ id: 1, name: "ada" } as UserShown}
        unstored={unstored}
        onPage={null}
        away={false}
        onSigned={() => {}}
        onGone={() => {}}
      />
    </>
  );
}

const field = () => screen.getByLabelText<HTMLTextAreaElement>("Remark");
/** What signing waits for, in the line below the button. */
const waits = () => document.querySelector(".sign-waits")?.textContent ?? "";
const button = () => screen.getByRole<HTMLButtonElement>("button", { name: /^Sign as/ });

async function shown() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const page = () => (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Live />
        <Both />
      </MemoryRouter>
    </QueryClientProvider>
  );
  const { rerender } = render(page());
  await waitFor(() => expect([button().disabled, waits()]).toEqual([false, ""]));
  return () => rerender(page());
}

const type = (text: string) => {
  act(() => field().focus());
  fireEvent.change(field(), { target: { value: text } });
};
const leave = () => act(() => field().blur());
const stored = (remark: string) => {
  findings = { ...findings, version: 4, remark };
  return Promise.resolve({ data: findings });
};

test("a remark that could not be stored is not left out of what is signed", async () => {
  await shown();
  type("Blasts, call the ward.");
  expect(button().disabled).toBe(false); // pressing it leaves the field, which stores it
  leave();
  await screen.findByText("Not now.");
  await waitFor(() => expect(button().disabled).toBe(true));
  expect(waits()).toContain("once your remark is stored");
  expect(field().value).toBe("Blasts, call the ward.");
  fireEvent.submit(button().form!);
  expect(screen.queryByRole("dialog")).toBeNull();

  storing = () => stored("Blasts, call the ward.");
  fireEvent.click(screen.getByRole("button", { name: "store it" }));
  await waitFor(() => expect([button().disabled, waits()]).toEqual([false, ""]));
  fireEvent.click(button());
  fireEvent.click(await screen.findByRole("button", { name: "Sign these counts" }));
  await waitFor(() => expect(signed).toEqual([4]));
});

test("while another remark stands than the one on the page nobody signs", async () => {
  await shown();
  type("Mine.");
  storing = () => {
    findings = { ...findings, version: 4, remark: "Theirs." };
    return Promise.reject(BEHIND);
  };
  leave();
  await screen.findByText(/Somebody else wrote meanwhile: “Theirs.”/);
  await waitFor(() => expect(button().disabled).toBe(true));
  fireEvent.click(screen.getByRole("button", { name: "take theirs" }));
  expect(field().value).toBe("Theirs.");
  expect(button().disabled).toBe(false);
});

test("what was typed behind a block stays when the block could not be stored", async () => {
  await shown();
  let refuse = () => {};
  storing = () =>
    new Promise((_, reject) => {
      refuse = () => reject(AWAY);
    });
  act(() => field().focus());
  fireEvent.click(await screen.findByRole("button", { name: /^Insert b/ }));
  await waitFor(() => expect(field().value).toBe("Block."));
  fireEvent.change(field(), { target: { value: "Block. And more." } });
  act(() => refuse());
  await screen.findByText("Not now.");
  expect(field().value).toBe("Block. And more.");
  expect(screen.queryByText(/Somebody else/)).toBeNull();
  storing = () => stored("Block. And more.");
  leave();
  await waitFor(() => expect([button().disabled, waits()]).toEqual([false, ""]));
  expect(field().value).toBe("Block. And more.");
});

test("a remark that could not be stored, nor be asked for again, is stored when its field is left once more", async () => {
  await shown();
  vi.mocked(api.GET).mockImplementation((() => Promise.reject(AWAY)) as unknown as typeof api.GET);
  type("Blasts.");
  leave();
  await screen.findByText("Not now.");
  storing = () => stored("Blasts.");
  act(() => field().focus());
  leave();
  await waitFor(() => expect(findings.remark).toBe("Blasts."));
});

test("half a remark outlives news that do not come, and is stored when they are asked for again", async () => {
  const redraw = await shown();
  type("Bla");
  vi.mocked(api.GET).mockImplementation((() => Promise.reject(AWAY)) as unknown as typeof api.GET);
  events = { case: 1 };
  redraw();
  const again = await screen.findByRole("button", { name: "try again" });
  expect(field().value).toBe("Bla");
  vi.mocked(api.GET).mockImplementation((() => Promise.resolve({ data: findings })) as unknown as typeof api.GET);
  fireEvent.click(again);
  await waitFor(() => expect([button().disabled, waits()]).toEqual([false, ""]));
  storing = () => stored("Bla");
  leave();
  await waitFor(() => expect(findings.remark).toBe("Bla"));
});

test("findings that could not be loaded are asked for again on request", async () => {
  vi.mocked(api.GET).mockImplementationOnce((() => Promise.reject(AWAY)) as unknown as typeof api.GET);
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <MemoryRouter>
        <FindingsForm ofCase={3} may setUnstored={() => {}} />
      </MemoryRouter>
    </QueryClientProvider>,
  );
  fireEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await waitFor(() => expect(field().value).toBe(""));
});
