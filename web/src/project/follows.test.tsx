import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { useCases, useLabelSets } from "../api/queries";
import { CellPanel } from "../cell/CellPanel";
import { columnsOf } from "../columns/made";
import { useField, useFieldList, useHasFields } from "../fields/queries";
import { useFindings, useReportSettings } from "../findings/queries";
import { useFamiliarity, useTrust } from "../foreign/familiarity";
import LabelSets from "../labelsets/LabelSets";
import { useAttribute } from "../landscape/Landscape";
import Library from "../library/Library";
import SecondLook from "../look/SecondLook";
import { useProfiles } from "../profiles/profiles";
import { Live } from "../projects/Frame";
import Reviews from "../reviews/Reviews";
import { useSigning } from "../signing/queries";
import { useDrift } from "../validation/queries";
import { followed } from "./follows";
import type { EventKind } from "./service";

const STATE = {
  columns: columnsOf([{ id: 5 }]),
  events: {} as Partial<Record<EventKind, number>>,
  labelSet: "cell_type",
  case: 3,
  chosen: 5,
  moved: new Map(),
  withoutCase: 0,
};
let state = STATE;
vi.mock("./context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "viewer" }, store: {} }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));
vi.mock("../columns/fetch", () => ({
  fetchColumns: (...given: unknown[]) => asked(`columns ${JSON.stringify(given[1])}`),
}));
vi.mock("../app/theme", () => ({ useTheme: () => "light", setTheme: () => {} }));
vi.mock("../cell/OnMap", () => ({ OnMap: () => null }));
vi.mock("../cell/LargeCrop", () => ({ LargeCrop: () => null }));

/** What was asked of the service, in order. */
let questions: string[];
const asked = (path: string) => {
  questions.push(path);
  return Promise.resolve(columnsOf([]));
};

beforeEach(() => {
  state = STATE;
  questions = [];
  const answer = {
    items: [],
    rows: [],
    next: null,
    id: 5,
    case: 3,
    history: [],
    comments: [],
    tags: [],
    sets: {},
    name: "a",
  };
  vi.spyOn(api, "GET").mockImplementation(((path: string) => {
    questions.push(path);
    const reviews = { rows: [], overturned: [], overturned_count: 0, blind: [], agreement: [], pairs: [] };
    return Promise.resolve({ data: { ...answer, ...reviews, signed: [], drawn: [], undrawn: [], reference: [] } });
  }) as unknown as typeof api.GET);
});
afterEach(cleanup);

const panel = () => (
  <CellPanel
    heat={false}
    setHeat={() => {}}
    compare={() => {}}
    mayLabel={false}
    label={() => {}}
    agree={() => {}}
    show={() => {}}
    tag={null}
  />
);
const hook = (use: () => unknown) => {
  const Asks = () => {
    use();
    return null;
  };
  return () => <Asks />;
};
const live = (use: () => unknown) => () => (
  <>
    <Live />
    {hook(use)()}
  </>
);

const P = "/projects/{project}";
test.each<[string, () => React.ReactNode, EventKind[]]>([
  [`${P}/images/{image}`, panel, ["comment", "missed"]],
  [`${P}/teaching`, () => <Library />, ["teaching", "labels", "images", "missed"]],
  [`${P}/label-sets`, live(() => useLabelSets(7)), ["label_set", "missed"]],
  [`${P}/label-sets`, () => <LabelSets />, ["taught", "missed"]],
  [`${P}/cases`, live(() => useCases(7)), ["case", "labels", "missed"]],
  [`${P}/cases/{case}/findings`, live(() => useFindings(3)), ["case", "signature", "images", "missed"]],
  [`${P}/report-settings`, live(useReportSettings), ["settings", "missed"]],
  [`${P}/familiarity`, hook(() => useFamiliarity(3)), ["labels", "profile", "case", "images", "missed"]],
  [`${P}/trust`, hook(() => useTrust(3)), ["labels", "profile", "case", "images", "missed"]],
  [`${P}/cases/{case}/signing`, live(() => useSigning(3)), ["labels", "label_set", "missed"]],
  [`${P}/doubts`, () => <SecondLook />, ["labels", "case", "images", "signature", "missed"]],
  [`${P}/comments`, () => <SecondLook />, ["comment", "missed"]],
  [`${P}/profiles`, hook(() => useProfiles(3)), ["profile", "missed"]],
  [`${P}/fields`, hook(useHasFields), ["images", "missed"]],
  [`${P}/fields`, hook(() => useFieldList(3)), ["images", "missed"]],
  [`${P}/fields/{field}`, hook(() => useField(9)), ["images", "missed"]],
  [`${P}/reviews`, () => <Reviews />, ["labels", "missed"]],
  [`${P}/drift`, hook(useDrift), ["signature", "missed"]],
  ['columns {"label_set":"shape"}', hook(() => useAttribute(7, "shape")), ["taught"]],
  ['columns {"label_set":"shape"}', hook(() => useAttribute(7, "shape")), ["labels"]],
  ['columns {"label_set":"shape"}', hook(() => useAttribute(7, "shape")), ["images"]],
  ['columns {"label_set":"shape"}', hook(() => useAttribute(7, "shape")), ["missed"]],
])(
  "%s is asked for anew after what makes its answer old (%#)",
  async (question, shown, kinds) => {
    const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
    const page = () => (
      <QueryClientProvider client={client}>
        <MemoryRouter>{shown()}</MemoryRouter>
      </QueryClientProvider>
    );
    const times = () => questions.filter((one) => one === question).length;
    const { rerender } = render(page());
    await waitFor(() => expect(times()).toBeGreaterThan(0));
    // What opening the project asks for once more has come.
    await act(() => new Promise((done) => setTimeout(done, 500)));
    for (const kind of kinds) {
      const before = times();
      state = { ...state, events: { ...state.events, [kind]: 1 } };
      rerender(page());
      await waitFor(() => expect(times(), `after ${kind}`).toBeGreaterThan(before), { timeout: 5000 });
    }
  },
  30_000,
);

test("a label makes the list of label sets old only where their scores are shown", () => {
  expect(followed("labelSets", { taught: 1 })).toBe(followed("labelSets", {}));
  expect(followed("labelSetScores", { taught: 1 })).not.toBe(followed("labelSetScores", {}));
});
