import { cleanup, configure, fireEvent, render, waitFor } from "@testing-library/react";
import { useState } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, ServiceFault } from "../api/client";
import type { Note } from "../project/state";
import { EVERYTHING } from "./bins";
import { FindCells } from "./FindCells";

const notes: Omit<Note, "id">[] = [];
const store = { notify: (note: Omit<Note, "id">) => notes.push(note), select: vi.fn() };
const STATE = { case: 3 };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 }, store }),
  useProjectState: (pick: (state: typeof STATE) => unknown) => pick(STATE),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(cleanup);

interface Query {
  text: string;
  case: number;
  limit: number;
  after?: string;
}
let queries: Query[];
/** How many cells of this name there are. */
let there: number;
let among: ReadonlySet<number> | null;

beforeEach(() => {
  notes.length = 0;
  queries = [];
  among = null;
  vi.spyOn(api, "GET").mockImplementation(((_: string, { params }: { params: { query: Query } }) => {
    const { query } = params;
    queries.push(query);
    const from = Number(query.after ?? 0);
    const items = Array.from({ length: Math.min(query.limit, there - from) }, (_, at) => ({ id: from + at + 1 }));
    const next = from + items.length < there ? String(from + items.length) : null;
    return Promise.resolve({ data: { items, next } });
  }) as unknown as typeof api.GET);
});

function Field() {
  const [filter, setFilter] = useState(EVERYTHING);
  among = filter.among;
  return <FindCells arrangement={{ filter, setFilter }} field={{ current: null }} />;
}

const typed = (text: string) => fireEvent.change(document.querySelector("input")!, { target: { value: text } });

test("every cell that fits is found, page after page, in the case in hand", async () => {
  there = 1200;
  render(<Field />);
  typed("img");
  await waitFor(() => expect(among?.size).toBe(1200));
  expect(queries.map(({ after }) => after)).toEqual([undefined, "500", "1000"]);
  expect(new Set(queries.map((query) => query.case))).toEqual(new Set([3]));
  expect(notes).toEqual([]);
});

test("where more fit than are asked for, it is said how many are shown", async () => {
  there = 5001;
  render(<Field />);
  typed("img");
  await waitFor(() => expect(notes).toHaveLength(1));
  expect(among?.size).toBe(5000);
  expect(notes[0]).toMatchObject({ kind: "done", text: "These are the first 5,000 cells that fit. Type more." });
});

test("a search that fails says so; one that the next letter ended does not", async () => {
  there = 2;
  const answers: (() => void)[] = [];
  vi.mocked(api.GET).mockImplementation(((_: string, { signal }: { signal: AbortSignal }) => {
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      answers.push(() => reject(new ServiceFault(503, { code: "busy", message: "Not now." })));
    });
  }) as unknown as typeof api.GET);
  render(<Field />);
  typed("i");
  await waitFor(() => expect(answers).toHaveLength(1));
  typed("im");
  await waitFor(() => expect(answers).toHaveLength(2));
  expect(notes).toEqual([]);
  answers[1]!();
  await waitFor(() => expect(notes).toHaveLength(1));
  expect(notes[0]).toMatchObject({ kind: "fault", text: "Not searched. Not now." });
});
