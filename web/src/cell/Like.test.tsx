import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, test, vi } from "vitest";
import { api } from "../api/client";
import { UNSURE } from "../columns/columns";
import { columnsOf } from "../columns/made";
import { Like } from "./Like";

let state = { columns: columnsOf([{ id: 5 }, { id: 6, predicted: 0 }]) };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (given: typeof state) => unknown) => pick(state),
}));
afterEach(cleanup);

test("a similar cell is named as the table has it now; one of another case as the service said", async () => {
  vi.spyOn(api, "GET").mockImplementation((() =>
    Promise.resolve({
      data: {
        items: [
          { image: 6, reference: null, label: "neutrophil", distance: 0.1 },
          { image: 9, reference: null, label: "monocyte", distance: 0.2 },
        ],
      },
    })) as unknown as typeof api.GET);
  const client = new QueryClient();
  const page = () => (
    <QueryClientProvider client={client}>
      <Like image={5} title="Like these" show={() => {}} />
    </QueryClientProvider>
  );
  const shown = render(page());
  await screen.findByRole("button", { name: /^Cell 6, Neutrophil/ });
  state = { columns: columnsOf([{ id: 5 }, { id: 6, predicted: 0, label: 1 }]) };
  shown.rerender(page());
  screen.getByRole("button", { name: /^Cell 6, Lymphocyte/ });
  screen.getByRole("button", { name: /^Cell 9, Monocyte/ });
  state = { columns: columnsOf([{ id: 5 }, { id: 6, predicted: 0, label: UNSURE }]) };
  shown.rerender(page());
  screen.getByRole("button", { name: /^Cell 6, unsure/ });
});
