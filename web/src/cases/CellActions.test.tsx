import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import type { ReactElement } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { DeleteCells, MoveCells } from "./CellActions";

const notify = vi.fn();
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 }, store: { select: () => {}, notify } }),
  useProjectState: (select: (state: object) => unknown) =>
    select({ columns: { cases: [{ id: 3, key: "24-1093", locked: false }] }, case: null }),
}));
afterEach(cleanup);

const MANY = Array.from({ length: 25_000 }, (_, at) => at + 1);

function open(dialog: ReactElement) {
  const sent: number[][] = [];
  vi.spyOn(api, "POST").mockImplementation(((_: string, { body }: { body: { images: number[] } }) => {
    sent.push(body.images);
    return Promise.resolve({ data: { cells: body.images.length } });
  }) as unknown as typeof api.POST);
  render(<QueryClientProvider client={new QueryClient()}>{dialog}</QueryClientProvider>);
  return sent;
}

test.each(["Move", "Delete"])("%s takes as many cells as were selected, ten thousand at a time", async (what) => {
  const close = vi.fn();
  const sent = open(
    what === "Move" ? <MoveCells images={MANY} close={close} /> : <DeleteCells images={MANY} close={close} />,
  );
  if (what === "Move") fireEvent.change(screen.getByLabelText("To case"), { target: { value: "24-1093" } });
  fireEvent.click(screen.getByRole("button", { name: what }));
  await waitFor(() => expect(close).toHaveBeenCalled());
  expect(sent.map((some) => some.length)).toEqual([10_000, 10_000, 5_000]);
  expect(sent.flat()).toEqual(MANY);
  const said = what === "Move" ? "25,000 cells moved to case 24-1093" : "25,000 cells deleted";
  expect(notify).toHaveBeenLastCalledWith(expect.objectContaining({ text: said }));
});

test("what is kept of deleted cells is said as it is: no names", () => {
  open(<DeleteCells images={[1]} close={() => {}} />);
  expect(screen.getByText(/checksums, not their names/)).toBeTruthy();
});
