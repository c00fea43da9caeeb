import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { DifferentialShown } from "../api/schema";
import { Table } from "./Table";

afterEach(cleanup);

const apart = (after: number, per_100: number, parent: string | null = null) => ({
  ...{ before: after, after, reviewed: 0, per_100, parent },
});
const COUNTS = {
  ...{ label_set: "cell_type", total: 100, rows: [], excluded: {}, unsure: 0, unreviewed: 9, unusual: null },
  apart: { erythroblast: apart(10, 25), orthochromatic: apart(15, 15, "erythroblast"), platelet: apart(4, 4) },
} as unknown as DifferentialShown;

test("a number for 100 leukocytes that holds finer types says so beside the type's own cells", () => {
  render(<Table differential={COUNTS} marks={new Map()} />);
  const said = screen.getAllByRole("definition").map((one) => one.textContent);
  expect(said.slice(0, 3)).toEqual([
    "10 · 25.0 for 100 leukocytes, with its finer types",
    "15 · 15.0 for 100 leukocytes",
    "4 · seen on these pictures; no count of platelets",
  ]);
});
