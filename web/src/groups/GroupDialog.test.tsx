import { cleanup, configure, fireEvent, render, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import type { GroupShown } from "../api/schema";
import { columnsOf } from "../columns/made";
import GroupDialog from "./GroupDialog";

const IDS = [1, 2, 3, 4, 5, 6, 7, 8];
const STATE = { labelSet: "cell_type", columns: columnsOf(IDS.map((id) => ({ id, predicted: 0 }))) };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (state: typeof STATE) => unknown) => pick(STATE),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

const [first, second] = STATE.columns.classes;
let group: GroupShown | null;
let posted: { path: string; body: Record<string, unknown> }[];
/** What stands on cells that others labelled: version and label. */
let others: Map<number, { version: number; label: string }>;
let broken: boolean;

function drawn(sample: number[]): GroupShown {
  return {
    id: 4,
    label_set: "cell_type",
    label: first!.name,
    user: 1,
    at: "2026-03-02T09:12:44Z",
    cells: 6,
    seed: 11,
    sample: sample.map((image) => ({ image, answer: null })),
    right: 0,
    bound: null,
    best: [0.951, 0.922],
    drawn_before: 0,
    ended_at: null,
    accepted: null,
    labelled: null,
    left: null,
    undo: [],
  };
}

function answered(path: string, body: Record<string, unknown>): unknown {
  if (path.endsWith("/order")) return { images: [...IDS].reverse(), left_out: 0 };
  if (path.endsWith("/groups")) {
    group = drawn([3, 5]);
    return group;
  }
  if (path.endsWith("/labels")) {
    const [item] = body.items as { image: number; label: string; version: number }[];
    const stands = others.get(item!.image);
    if (stands && stands.version !== item!.version)
      return { labels: [], conflicts: [{ image: item!.image, ...stands, submitted: item!.label }], undo: [] };
    const cell = group!.sample.find(({ image }) => image === item!.image)!;
    cell.answer = item!.label;
    return { labels: [{ image: item!.image, version: 90, label: item!.label }], conflicts: [], undo: [90] };
  }
  if (path.endsWith("/accept")) {
    if ((body.bound as number) > warranted) throw new ServiceFault(409, { code: "in_the_way", message: "Lower now." });
    return {
      ...group,
      ended_at: "2026-03-02T09:20:00Z",
      accepted: true,
      labelled: 4,
      left: 0,
      bound: 0.95,
      undo: [91],
    };
  }
  return { labels: [], conflicts: [], undo: [] };
}

/** The bound as the service has it now. */
let warranted: number;

beforeEach(() => {
  group = null;
  posted = [];
  others = new Map();
  broken = false;
  warranted = 0.95049;
  vi.spyOn(api, "GET").mockImplementation((async (path: string) => {
    if (!path.endsWith("{group}")) return { data: { items: group ? [group] : [], next: null } };
    const right = group!.sample.filter(({ answer }) => answer === group!.label).length;
    const all = group!.sample.every(({ answer }) => answer !== null);
    return { data: structuredClone({ ...group, right, bound: all ? warranted : null }) };
  }) as unknown as typeof api.GET);
  vi.spyOn(api, "POST").mockImplementation((async (path: string, { body }: { body: Record<string, unknown> }) => {
    if (broken) throw new ServiceFault(503, { code: "busy", message: "Not now." });
    posted.push({ path, body });
    return { data: structuredClone(answered(path, body)) };
  }) as unknown as typeof api.POST);
});

const shown = () => document.body.textContent;
const button = (name: string) =>
  [...document.querySelectorAll("button")].find((button) => button.textContent?.startsWith(name))!;
const press = (key: string) => fireEvent.keyDown(document.querySelector("[role=dialog]")!, { key });
const labels = () => posted.filter(({ path }) => path.endsWith("/labels")).map(({ body }) => body.items);

test("a border is drawn, the sample is answered by key, and the group is labelled with its bound", async () => {
  const behind = vi.fn();
  document.addEventListener("keydown", behind);
  render(<GroupDialog images={IDS} label={first!.name} close={() => {}} />);
  await waitFor(() => expect(shown()).toContain("The 8 most typical of 8 are in"));
  fireEvent.change(document.querySelector("input[type=range]")!, { target: { value: "6" } });
  fireEvent.click(button("Draw the sample"));
  await waitFor(() => expect(shown()).toContain("1 of 2"));
  expect(posted.at(-1)!.body).toEqual({
    label_set: "cell_type",
    images: [8, 7, 6, 5, 4, 3],
    label: first!.name,
    sample: 59,
  });
  press("y");
  await waitFor(() => expect(shown()).toContain("2 of 2"));
  press(second!.key.toLowerCase());
  await waitFor(() => expect(shown()).toContain("1 of 2 right: with 95% confidence at least 95.0%"));
  expect(labels()).toEqual([
    [{ image: 3, label: first!.name, version: 0 }],
    [{ image: 5, label: second!.name, version: 0 }],
  ]);
  expect(behind).not.toHaveBeenCalled(); // the table has the same keys for its own cells
  fireEvent.click(button("Label the group"));
  await waitFor(() => expect(shown()).toContain("4 cells labelled beside the sample"));
  expect(posted.at(-1)!.body).toEqual({ bound: 0.95049 });
  fireEvent.click(button("Undo"));
  await waitFor(() => expect(shown()).toContain("Undone."));
  expect(posted.at(-1)!.body.labels).toEqual([91]);
  document.removeEventListener("keydown", behind);
});

test("where the bound is lower than what was shown, nothing is labelled and the new one is told", async () => {
  group = drawn([3, 5]);
  for (const cell of group.sample) cell.answer = group.label;
  render(<GroupDialog images={IDS} label={first!.name} close={() => {}} />);
  await waitFor(() => expect(shown()).toContain("at least 95.0%"));
  warranted = 0.8;
  fireEvent.click(button("Label the group"));
  await waitFor(() => expect(shown()).toContain("at least 80.0%"));
  expect(shown()).toContain("Lower now.");
  fireEvent.click(button("Label the group"));
  await waitFor(() => expect(shown()).toContain("4 cells labelled beside the sample"));
  expect(posted.map(({ body }) => body)).toEqual([{ bound: 0.95049 }, { bound: 0.8 }]);
});

test("an open sample is gone on with, and an answer can be changed", async () => {
  group = drawn([3, 5]);
  group.sample[0]!.answer = second!.name;
  render(<GroupDialog images={IDS} close={() => {}} />);
  await waitFor(() => expect(shown()).toContain("2 of 2"));
  expect(posted).toEqual([]);
  press("Backspace");
  await waitFor(() => expect(shown()).toContain("1 of 2"));
  press("Enter");
  await waitFor(() => expect(shown()).toContain("2 of 2"));
  press("?");
  await waitFor(() => expect(shown()).toContain("1 of 2 right"));
  expect(group.sample.map(({ answer }) => answer)).toEqual([first!.name, "?"]);
  press("ArrowLeft");
  await waitFor(() => expect(shown()).toContain("2 of 2:"));
  press("y");
  await waitFor(() => expect(shown()).toContain("2 of 2 right"));
});

test("a cell that somebody labelled meanwhile, or whose answer is not saved, is asked again", async () => {
  group = drawn([3]);
  others.set(3, { version: 55, label: second!.name });
  render(<GroupDialog images={IDS} close={() => {}} />);
  await waitFor(() => expect(shown()).toContain("1 of 1"));
  press("y");
  await waitFor(() => expect(shown()).toContain("by somebody meanwhile"));
  expect(shown()).toContain("0 otherwise, so at best at least 95.1%");
  broken = true;
  press("y");
  await waitFor(() => expect(shown()).toContain("Not saved. Not now."));
  broken = false;
  press("y");
  await waitFor(() => expect(shown()).toContain("1 of 1 right"));
  expect(labels().map((items) => (items as { version: number }[])[0]!.version)).toEqual([0, 55]);
});
