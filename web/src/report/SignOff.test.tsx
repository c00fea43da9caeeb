import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { DifferentialShown, Findings, ProjectShown, SigningShown, UserShown } from "../api/schema";
import { useFindingsChange } from "../findings/queries";
import { withGrade } from "../findings/words";
import { Live } from "../projects/Frame";
import { SignOff } from "./SignOff";

let state = { events: {} as Record<string, number> };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));

configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do

const FINDINGS = { version: 3, remark: "", grades: {}, platelets: null, cells: [] } as unknown as Findings;
const COUNTS = { total: 100, digest: "d1", level: "type" } as unknown as DifferentialShown;
const SETTINGS = { project: "Films", laboratory: "North", address: "", zone: "UTC", ranges: [] };

const PROFILE = { id: 1, name: "Aperio, room 3", scale: 1, scale_from: "measured" };

const signingWith = (facts: string, wbc: number | null, profile = PROFILE) =>
  ({
    ...{ checks: [], confirm: "none", locked: false, amendment: null, settings: SETTINGS, facts },
    ...{ profile, specimen: { key: "24-1", accession: "H26-1", collected_at: null, received_at: null, wbc, note: "" } },
  }) as unknown as SigningShown;

/** What the service has, and what came to be signed. */
let findings: Findings;
let refused: boolean;
let signed: unknown[];
let facts: unknown[];
/** What the service says to a signature; nothing where it takes it. */
let refusal: Error | null;

beforeEach(() => {
  state = { events: {} };
  [findings, refused, signed, facts, refusal] = [FINDINGS, false, [], [], null];
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    if (!path.endsWith("/findings")) return Promise.resolve({ data: { items: [] } });
    return refused ? Promise.reject(new Error("no line")) : Promise.resolve({ data: findings });
  }) as unknown as typeof api.GET);
  vi.spyOn(api, "POST").mockImplementation(((_: string, { body }: { body: { findings: unknown; facts: unknown } }) => {
    signed.push(body.findings);
    facts.push(body.facts);
    return refusal ? Promise.reject(refusal) : Promise.resolve({ data: {} });
  }) as unknown as typeof api.POST);
});
afterEach(cleanup);

/** The button that grades, as the form above the signatures has it. */
function Grade() {
  const change = useFindingsChange(3);
  return (
    <button
      type="button"
      onClick={() => change.mutate(({ grades }) => ({ grades: withGrade(grades, "anisocytosis", "++") }))}
    >
      grade
    </button>
  );
}

function page(client: QueryClient, signing = signingWith("f6", 6)) {
  return (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Live />
        <Grade />
        <SignOff
          project={{ id: 7, role: "reviewer", archived: false } as ProjectShown}
          chosen={3}
          heading="case 24-1"
          live={COUNTS}
          signing={signing}
          all={[]}
          showing="now"
          show={() => {}}
          several={false}
          user={{ id: 1, name: "ada" } as UserShown}
          unstored={false}
          onPage={null}
          away={false}
          onSigned={() => {}}
          onGone={() => {}}
        />
      </MemoryRouter>
    </QueryClientProvider>
  );
}

const button = () => screen.getByRole<HTMLButtonElement>("button", { name: /^Sign as/ });
/** What signing waits for, in the line below the button. */
const waits = () => document.querySelector(".sign-waits")?.textContent ?? "";
const there = () => waitFor(() => expect([button().disabled, waits()]).toEqual([false, ""]));
const confirm = async () => fireEvent.click(await screen.findByRole("button", { name: "Sign these counts" }));

test("a remark that comes in behind the question is not signed: the version is the one that was asked about", async () => {
  const client = new QueryClient();
  const shown = render(page(client));
  await there();
  fireEvent.click(button());
  await screen.findByRole("button", { name: "Sign these counts" });

  findings = { ...FINDINGS, version: 4, remark: "Blasts, call the ward." };
  state = { events: { case: 1 } };
  shown.rerender(page(client));
  await waitFor(() => expect(client.getQueriesData<Findings>({}).some(([, data]) => data?.version === 4)).toBe(true));
  await confirm();
  await waitFor(() => expect(signed).toEqual([3]));
});

test("a grade that is still being stored is signed with its own version, after it", async () => {
  let store = () => {};
  vi.spyOn(api, "PATCH").mockImplementation(
    ((_: string, { body }: { body: Partial<Findings> }) =>
      new Promise((resolve) => {
        store = () => resolve({ data: { ...FINDINGS, grades: body.grades, version: 4 } });
      })) as unknown as typeof api.PATCH,
  );
  render(page(new QueryClient()));
  await there();
  fireEvent.click(screen.getByRole("button", { name: "grade" }));
  await waitFor(() => expect(waits()).toContain("are being stored"));
  fireEvent.click(button());
  expect(screen.queryByRole("dialog")).toBeNull();
  act(() => store());
  await confirm();
  await waitFor(() => expect(signed).toEqual([4]));
});

test("after a grade that the service refused nobody is asked to sign unless they press again", async () => {
  let refuse = () => {};
  vi.spyOn(api, "PATCH").mockImplementation(
    (() =>
      new Promise((_, reject) => {
        refuse = () => reject(new Error("no"));
      })) as unknown as typeof api.PATCH,
  );
  render(page(new QueryClient()));
  await there();
  fireEvent.click(screen.getByRole("button", { name: "grade" }));
  await waitFor(() => expect(waits()).toContain("are being stored"));
  fireEvent.click(button());
  act(() => refuse());
  await there();
  expect(screen.queryByRole("dialog")).toBeNull();
  fireEvent.click(button());
  await confirm();
  await waitFor(() => expect(signed).toEqual([3]));
});

test("nothing is signed while the remark and grades are not there, and a line below the button says so", async () => {
  refused = true;
  render(page(new QueryClient({ defaultOptions: { queries: { retry: false } } })));
  await waitFor(() => expect(waits()).toContain("could not be loaded"));
  expect(button().disabled).toBe(true);
  expect(button().textContent).toBe("Sign as ada");
});

test("findings that could not be loaded once are asked for again on request, and the case is signed", async () => {
  refused = true;
  render(page(new QueryClient({ defaultOptions: { queries: { retry: false } } })));
  await waitFor(() => expect(waits()).toContain("could not be loaded"));
  refused = false;
  fireEvent.click(screen.getByRole("button", { name: "try again" }));
  await there();
  fireEvent.click(button());
  await confirm();
  await waitFor(() => expect(signed).toEqual([3]));
});

test("findings that an event made old and that could not be loaded anew are not signed", async () => {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const shown = render(page(client));
  await there();
  refused = true;
  state = { events: { case: 1 } };
  shown.rerender(page(client));
  await screen.findByRole("button", { name: "try again" }, { timeout: 4000 });
  expect(button().disabled).toBe(true);
});

test("the specimen that was on the screen is signed, and no other that came in behind the question", async () => {
  const client = new QueryClient();
  const shown = render(page(client));
  await there();
  fireEvent.click(button());
  const dialog = await screen.findByRole("dialog");
  expect(dialog.textContent).toContain("Accession H26-1 · leukocytes 6 × 10⁹/L");
  refusal = new Error("expected the specimen that you looked at");
  shown.rerender(page(client, signingWith("f60", 60)));
  expect(screen.getByRole("dialog").textContent).toContain("leukocytes 6 × 10⁹/L");
  await confirm();
  await screen.findByText("expected the specimen that you looked at");
  expect(facts).toEqual(["f6"]);
  expect(document.querySelector(".sign-otherwise")?.textContent).toContain("Leukocytes, 10⁹/L: 6 → 60");

  refusal = null;
  fireEvent.click(button());
  await confirm();
  await waitFor(() => expect(facts).toEqual(["f6", "f60"]));
  await waitFor(() => expect(document.querySelector(".sign-otherwise")).toBeNull());
});

test("the scanner stands in the question, and which one it was where that was refused", async () => {
  const client = new QueryClient();
  const shown = render(page(client));
  await there();
  fireEvent.click(button());
  const dialog = await screen.findByRole("dialog");
  expect(dialog.textContent).toContain("Scanner: Aperio, room 3, pixel scale 1.00");
  refusal = new Error("expected the scanner that you looked at");
  shown.rerender(page(client, signingWith("f61", 6, { ...PROFILE, id: 2, name: "Aperio, room 4" })));
  await confirm();
  await screen.findByText("expected the scanner that you looked at");
  expect(document.querySelector(".sign-otherwise")?.textContent).toContain(
    "Scanner profile: Aperio, room 3, pixel scale 1.00 → Aperio, room 4, pixel scale 1.00",
  );
});

test("reference ranges stand in the question, and what became of them where it was refused", async () => {
  const ranges = (low: number) => ({
    ...signingWith(`f${low}`, null),
    settings: { ...SETTINGS, ranges: [{ label: "neutrophil", low, high: 75, absolute_high: 7.7 }] },
  });
  const client = new QueryClient();
  const shown = render(page(client, ranges(40)));
  await there();
  fireEvent.click(button());
  expect((await screen.findByRole("dialog")).textContent).toContain("neutrophil: 40 to 75 %, up to 7.7 × 10⁹/L");
  refusal = new Error("no");
  shown.rerender(page(client, ranges(4)));
  await confirm();
  await screen.findByText("no");
  const said = document.querySelector(".sign-otherwise")?.textContent;
  expect(said).toContain("Range of neutrophil: 40 to 75 %, up to 7.7 × 10⁹/L → 4 to 75 %, up to 7.7 × 10⁹/L");
});
