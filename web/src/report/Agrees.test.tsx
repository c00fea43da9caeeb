import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { AgreementShown } from "../api/schema";
import { Agrees } from "./Agrees";

vi.mock("../project/context", () => ({ useProjectContext: () => ({ project: { id: 7 } }) }));
vi.mock("../api/queries", () => ({ useMemberNames: () => String }));
const COUNTED = {
  human_model: { n: 9, agreement: 0.5, kappa: null, low: null, high: null },
  in_bulk: { cells: 0, as_read: 0 },
  humans: [],
} as unknown as AgreementShown;

afterEach(cleanup);

test("an agreement that could not be counted is said and asked for again; what stood before stays", () => {
  const retry = vi.fn();
  const { rerender } = render(<Agrees agreement={undefined} failed={new Error("gone")} retry={retry} />);
  expect(screen.getByRole("alert").textContent).toMatch(/^Agreement could not be counted\./);
  expect(screen.queryByText(/No cell has been labelled/)).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: "try again" }));
  expect(retry).toHaveBeenCalledOnce();
  rerender(<Agrees agreement={COUNTED} failed={new Error("gone")} retry={retry} />);
  expect(screen.getByRole("alert").textContent).toMatch(/^Agreement could not be counted anew/);
  expect(screen.getByText(/^People and model agree on 50.* of 9 labelled cells/)).toBeTruthy();
});

test("nothing labelled yet is no fault", () => {
  render(<Agrees agreement={undefined} failed={null} retry={vi.fn()} />);
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByText("No cell has been labelled one by one yet.")).toBeTruthy();
});
