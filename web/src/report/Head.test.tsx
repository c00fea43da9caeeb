import { render } from "@testing-library/react";
import { expect, test } from "vitest";
import type { DifferentialShown } from "../api/schema";
import { Head } from "./Head";

const COUNTS = {
  ...{ label_set: "cell_type", total: 9, apart: {}, excluded: {}, unsure: 0, unreviewed: 9, rows: [] },
  ...{ bundle: "lite0", taught_until: 0, taught_by_panels: [3], panel_titles: ["Blasts of March"] },
} as unknown as DifferentialShown;
const said = (ofCase: number | null, counts: Partial<DifferentialShown> = {}) =>
  render(<Head differential={{ ...COUNTS, ...counts }} ofCase={ofCase} />).container.textContent;

test("of which scanner the panels are is said of a case alone: in counts of a project they are of every one", () => {
  expect(said(3)).toContain("taught by what the panel “Blasts of March” agreed on, of the same scanner.");
  expect(said(3, { panel_titles: [] })).toContain("what the panel 3 agreed on, of whichever scanner.");
  expect(said(null)).toContain("taught by what the panel “Blasts of March” agreed on.");
  expect(said(null)).not.toContain("scanner");
});
