import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { columnsOf } from "../columns/made";
import ImportLabels from "./ImportLabels";

const STATE = { labelSet: "cell_type", case: null, columns: columnsOf([]) };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 }, store: { notify: () => {} } }),
  useProjectState: (pick: (state: typeof STATE) => unknown) => pick(STATE),
}));
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a table is sent, under a name, from a page that is not served over TLS", async () => {
  // There `crypto` has no randomUUID.
  const { crypto } = globalThis;
  vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array) => crypto.getRandomValues(bytes) });
  vi.spyOn(api, "GET").mockResolvedValue({ data: { items: [] } } as never);
  const found = { labels: {}, unknown: [], same: 0, blank: 0, written: false, undo: [] };
  const none = { count: 0, first: [] };
  const data = { ...found, unmatched: none, clashing: none, locked: none, kept: none };
  const sent = vi.spyOn(api, "POST").mockResolvedValue({ data } as never);
  const page = render(
    <QueryClientProvider client={new QueryClient()}>
      <ImportLabels close={() => {}} />
    </QueryClientProvider>,
  );
  const file = Object.assign(new File([], "labels.csv"), { arrayBuffer: async () => new ArrayBuffer(0) });
  fireEvent.change(page.getByLabelText("Table of labels"), { target: { files: [file] } });
  await waitFor(() => expect(sent).toHaveBeenCalled());
  const { body } = sent.mock.calls[0]![1] as unknown as { body: { file: string; request: string } };
  expect(body.file).toBe("labels.csv");
  expect(body.request).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
});
