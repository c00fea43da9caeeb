import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { Findings } from "../api/schema";
import { useFindingsChange } from "./queries";
import { restNotSeen, withGrade } from "./words";

vi.mock("../project/context", () => ({ useProjectContext: () => ({ project: { id: 7 } }), useProjectState: vi.fn() }));
afterEach(() => vi.restoreAllMocks());

const BEFORE = { version: 1, remark: "", grades: {}, platelets: null, cells: [] } as unknown as Findings;

test("what waits for its turn is put upon what was stored, whatever late answer the screen holds", async () => {
  const client = new QueryClient();
  const key = ["projects", 7, "findings", 3];
  client.setQueryData([...key, "first"], BEFORE);
  const answers: (() => void)[] = [];
  const sent: Findings["grades"][] = [];
  vi.spyOn(api, "PATCH").mockImplementation(((_: string, { body }: { body: { grades: Findings["grades"] } }) => {
    sent.push(body.grades);
    const data = { ...BEFORE, version: sent.length + 1, grades: body.grades };
    return new Promise((resolve) => answers.push(() => resolve({ data })));
  }) as unknown as typeof api.PATCH);
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const { result } = renderHook(() => useFindingsChange(3), { wrapper });
  act(() => result.current.mutate(({ grades }) => ({ grades: withGrade(grades, "anisocytosis", "++") })));
  await waitFor(() => expect(sent).toHaveLength(1));
  // An answer that set out before the grade was stored comes in now, under the name of a newer question.
  client.setQueryData([...key, "second"], BEFORE);
  act(() => result.current.mutate(({ grades }) => ({ grades: restNotSeen(grades) })));
  answers[0]!();
  await waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]!.anisocytosis).toBe("++");
  expect(sent[1]!.microcytes).toBe("0");
  answers[1]!();
  await waitFor(() => expect(client.getQueryData<Findings>([...key, "second"])!.version).toBe(3));
  expect(client.getQueryData<Findings>([...key, "second"])!.grades.anisocytosis).toBe("++");
});
