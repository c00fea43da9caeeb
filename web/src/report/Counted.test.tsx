import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Counted } from "./Counted";

vi.mock("../project/context", () => ({ useProjectContext: () => ({ project: { id: 7 } }) }));
afterEach(cleanup);

const said = (ofCase: number | null, outside: number) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Counted
        {...{ counting: null, gone: 0, later: 0, choices: [], labelled: false, may: true }}
        ofCase={ofCase}
        outside={outside}
      />
    </QueryClientProvider>,
  ).container.textContent;

test("counts of all cases say how many cells are outside them since others were drawn", () => {
  expect(said(null, 1307)).toBe(
    "1,307 cells are counted nowhere here: of cases whose cells were drawn, those that were not. ",
  );
  expect(said(null, 0)).toBe("");
  expect(said(3, 0)).toBe("Every cell of the case counts. count 100, 200 or 400\u2026");
});
