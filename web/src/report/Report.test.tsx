import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import { columnsOf } from "../columns/made";
import { Live } from "../projects/Frame";
import Report from "./Report";

const CASES = [
  { id: 3, key: "24-3", locked: false },
  { id: 4, key: "24-4", locked: false },
];
let state: { case: number; events: Record<string, number>; columns: object };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, name: "Films", role: "reviewer", archived: false } }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));
vi.mock("../columns/fetch", () => ({ fetchColumns: () => columns() }));
vi.mock("../foreign/familiarity", () => ({ useFamiliarity: () => null }));
vi.mock("../foreign/Banner", () => ({ ForeignBanner: () => null }));
vi.mock("../app/theme", () => ({ useTheme: () => "light", setTheme: () => {} }));
vi.mock("../charts/Chart", () => ({ Chart: () => null }));
vi.mock("./figure", () => ({ sharesFigure: () => null }));
vi.mock("./Agrees", () => ({ Agrees: () => null }));
vi.mock("./Counted", () => ({ Counted: () => null }));
vi.mock("./Crops", () => ({ Crops: () => null }));
vi.mock("./Send", () => ({ Send: () => null, Forms: () => null }));
vi.mock("./Table", () => ({ Table: () => null }));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do

const ONE = { count: 9, share: 1, low: 0.7, high: 1 };
const COUNTS = {
  ...{ label_set: "cell_type", total: 9, total_before: 9, apart: {}, excluded: {}, level: "type", unsure: 0 },
  ...{ rows: [{ label: "neutrophil", title: "Neutrophil", before: ONE, after: ONE, reviewed: 0 }], unreviewed: 9 },
  ...{ reclassified: [], moved_by_model: null, taught_until: 0, taught_by_panels: [], panel_titles: [] },
  ...{ bundle: "lite0", counting_choices: [], digest: "d1", unusual: 0, waiting: 0, unreadable: 0 },
};
const FINDINGS = { version: 3, remark: "", grades: {}, platelets: null, cells: [] };
const SPECIMEN = { key: "24-3", accession: "", collected_at: null, received_at: null, wbc: null, note: "" };
const SETTINGS = { project: "Films", laboratory: "", address: "", zone: "UTC", ranges: [] };
const SIGNING = {
  ...{ checks: [], confirm: "none", locked: false, amendment: null, version: null },
  ...{ specimen: SPECIMEN, profile: { id: 1, name: "Scanner 1", scale: 1, scale_from: "default" } },
  ...{ settings: SETTINGS, facts: "f1" },
};
const FIRST = {
  ...{ id: 11, case: 3, version: 1, role: "first", user: 2, name: "Bela", initials: "", at: "2026-03-01T09:00:00Z" },
  ...{ second_wanted: true, current: true, reason: "", note: "", confirmed: "none", checks: [], fingerprint: null },
  ...{ differential: COUNTS, reviewed_until: 0, taught_until: null, countersigns: null, amends: null },
};
const REPORT = { remark: "Blasts, call the ward.", grades: {}, platelets: null, cells: [] };

/** Ends of the paths that cannot be asked. */
let away: string[];
let asked: string[];
let reason: boolean;
let signatures: object[];
/** What answers for a signed record. */
let record: () => Promise<object>;
/** What answers for the cells and their types. */
let columns: () => Promise<object>;

beforeEach(() => {
  state = { case: 3, events: {}, columns: { ...columnsOf([]), cases: CASES } };
  [away, asked, reason] = [[], [], false];
  signatures = [];
  columns = () => Promise.resolve(columnsOf([]));
  record = () => Promise.resolve({ ...FIRST, cells: [], report: REPORT, specimen: null, profile: null });
  vi.spyOn(api, "GET").mockImplementation(((path: string, given?: { params: { path: { case?: number } } }) => {
    asked.push(path);
    if (away.some((end) => path.endsWith(end)))
      return Promise.reject(new ServiceFault(500, { code: "internal", message: `No ${path.split("/").at(-1)}.` }));
    if (path.endsWith("{signature}")) return record().then((data) => ({ data }));
    const checks = reason ? [{ name: "few", level: "reason", open: true, says: "few cells" }] : [];
    const data: Record<string, object> = {
      session: { user: { id: 1, name: "ada" } },
      differential: COUNTS,
      findings: FINDINGS,
      signatures: { items: signatures },
      signing: {
        ...{ ...SIGNING, checks, locked: signatures.length > 0, case: given?.params.path.case },
        specimen: { ...SPECIMEN, key: `24-${given?.params.path.case}` },
      },
      "{project}": { id: 7, name: "Films", role: "reviewer", archived: false },
    };
    return Promise.resolve({ data: data[path.split("/").at(-1)!] ?? { items: [], next: null } });
  }) as unknown as typeof api.GET);
});
afterEach(cleanup);

function opened() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const page = () => (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Live />
        <Report />
      </MemoryRouter>
    </QueryClientProvider>
  );
  const shown = render(page());
  return (changed: Partial<typeof state>) => {
    state = { ...state, ...changed };
    shown.rerender(page());
  };
}

const times = (end: string) => asked.filter((path) => path.endsWith(end)).length;
const remark = () => screen.findByLabelText<HTMLTextAreaElement>("Remark");
const sign = () => screen.findByRole<HTMLButtonElement>("button", { name: /^Sign as/ });
/** What opening the project asks for once more has come. */
const settled = () => new Promise((done) => setTimeout(done, 600));

test.each(["/signing", "/differential"])(
  "a remark that is being typed stays where newer answers of %s cannot be had",
  async (end) => {
    const change = opened();
    const field = await remark();
    await sign();
    await settled();
    fireEvent.change(field, { target: { value: "Blasts, call the" } });
    const before = times(end);
    away = [end];
    change({ events: { labels: 1 } });
    await waitFor(() => expect(times(end)).toBeGreaterThan(before));
    await settled();
    expect((await remark()).value).toBe("Blasts, call the");
    await sign();
  },
);

test("where it was never heard how the case is signed, the page says so and asks again on request", async () => {
  away = ["/signing"];
  opened();
  await screen.findByText("No signing.");
  await settled();
  away = [];
  fireEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await sign();
  expect(screen.queryByText("No signing.")).toBeNull();
});

test("why one case is signed all the same is not said of the next one", async () => {
  reason = true;
  const change = opened();
  const note = () => screen.findByLabelText<HTMLTextAreaElement>("Why you sign all the same");
  await note();
  change({ case: 4 });
  await settled(); // how both are signed is known from now on
  change({ case: 3 });
  fireEvent.change(await note(), { target: { value: "Few, but all seen." } });
  change({ case: 4 });
  expect((await note()).value).toBe("");
});

const second = () => screen.findByRole<HTMLButtonElement>("button", { name: /^Sign second as/ });
const waits = () => document.querySelector(".sign-waits")?.textContent ?? "";

test("nobody signs second before the record's cells, remark and grades are on the page", async () => {
  signatures = [FIRST];
  const come = record;
  let arrive = () => {};
  record = () => new Promise((resolve) => (arrive = () => void come().then(resolve)));
  opened();
  expect((await second()).disabled).toBe(true);
  expect(waits()).toContain("The signed record has yet to be loaded");
  await settled();
  arrive();
  await screen.findByText(REPORT.remark);
  expect((await second()).disabled).toBe(false);
  expect(waits()).toBe("");
});

test("where the signed record could not be loaded, nobody signs second, and it is asked for again on request", async () => {
  signatures = [FIRST];
  const come = record;
  record = () => Promise.reject(new ServiceFault(500, { code: "internal", message: "No record." }));
  opened();
  await screen.findByText("No record.");
  expect((await second()).disabled).toBe(true);
  expect(waits()).toContain("The signed record could not be loaded");
  record = come;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByText(REPORT.remark);
  await waitFor(async () => expect((await second()).disabled).toBe(false));
});

test("where the types of a record's cells could not be loaded, its cells are not shown and nobody signs second", async () => {
  signatures = [FIRST];
  columns = () => Promise.reject(new ServiceFault(500, { code: "internal", message: "No columns." }));
  opened();
  await screen.findByText("No columns.");
  await screen.findByText(REPORT.remark);
  expect((await second()).disabled).toBe(true);
  expect(waits()).toContain("could not be loaded");
  await settled();
  columns = () => Promise.resolve(columnsOf([]));
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await waitFor(async () => expect((await second()).disabled).toBe(false));
});

test("a signed case of which the signatures could not be loaded is not called unsigned", async () => {
  [signatures, away] = [[FIRST], ["/signatures"]];
  opened();
  await screen.findByText("No signatures.");
  await settled();
  expect(screen.queryByText(/Not signed/)).toBeNull();
  away = [];
  fireEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await screen.findByText(/^Version 1, signed by Bela/);
});

test.each([
  ["/differential", "The counts may be old"],
  ["/signing", "The specimen and the checks before signing may be old"],
  ["/signatures", "The signatures may be old"],
])(
  "where newer answers of %s cannot be had, the page says what may be old and asks again on request",
  async (end, says) => {
    const change = opened();
    await remark();
    await sign();
    await settled();
    away = [end];
    change({ events: { labels: 1, signature: 1 } });
    const line = await screen.findByText((text) => text.includes(says));
    expect(line.textContent).toContain(`No ${end.slice(1)}.`);
    const field = await remark();
    fireEvent.change(field, { target: { value: "Blasts, call the" } });
    away = [];
    fireEvent.click(screen.getByRole("button", { name: "try again" }));
    await waitFor(() => expect(screen.queryByText((text) => text.includes(says))).toBeNull());
    expect((await remark()).value).toBe("Blasts, call the");
  },
);

test("counts of one case never stand under the name of the next", async () => {
  const change = opened();
  await sign();
  const answer = vi.mocked(api.GET).getMockImplementation() as unknown as (path: string, given?: object) => object;
  let come: () => void = () => {};
  const late = new Promise<void>((done) => {
    come = done;
  });
  vi.mocked(api.GET).mockImplementation(((path: string, given?: object) =>
    path.endsWith("/differential")
      ? late.then(() => answer(path, given))
      : answer(path, given)) as unknown as typeof api.GET);
  change({ case: 4 });
  await settled();
  expect(screen.queryByRole("heading", { level: 1 })).toBeNull();
  expect(screen.queryByRole("button", { name: /^Sign as/ })).toBeNull();
  come();
  expect((await screen.findByRole("heading", { level: 1 })).textContent).toContain("24-4");
});
