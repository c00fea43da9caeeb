import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, configure, fireEvent, render, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";
import { api } from "../api/client";
import { Comments } from "./Comments";

let comments = 0; // how many events came
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7, role: "reviewer", archived: false }, store: { select: () => {} } }),
  useProjectState: (pick: (state: unknown) => unknown) =>
    pick({ case: null, columns: { cases: [] }, events: { comment: comments } }),
}));
configure({ asyncUtilTimeout: 4000 }); // the machine may have other things to do
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const PLACE = { name: "a.png", case: null, case_key: null, user: 2, at: "2026-03-02T07:40:00Z", resolved: false };
const NOBODY = { assigned_to: null, assigned_by: null, assigned_at: null, resolved_by: null, resolved_at: null };
const comment = (id: number) => ({ ...PLACE, ...NOBODY, id, image: id, text: `remark ${id}` });

/** A project with these comments, the newest first, of which the service gives so many at a time. */
function service(there: () => number[], most: number) {
  const asked: number[] = [];
  vi.spyOn(api, "GET").mockImplementation(((path: string, { params }: { params: { query: { after: number } } }) => {
    if (!path.endsWith("/comments")) return Promise.resolve({ data: { items: [], user: null } });
    const { after } = params.query;
    asked.push(after);
    const older = there().filter((id) => !after || id < after);
    const items = older.slice(0, most).map(comment);
    const next = items.length < most ? null : items.at(-1)!.id;
    return Promise.resolve({ data: { items, open: there().length, next } });
  }) as unknown as typeof api.GET);
  return asked;
}

function opened() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const shown = () => (
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <Comments />
      </MemoryRouter>
    </QueryClientProvider>
  );
  const page = render(shown());
  return { ...page, again: () => page.rerender(shown()) };
}

const texts = (page: { container: HTMLElement }) =>
  [...page.container.querySelectorAll("li p:first-child")].map(({ textContent }) => textContent);

test("older comments are there when they are asked for, and the heading tells of them", async () => {
  service(() => [5, 4, 3, 2, 1], 2);
  const page = opened();
  const heading = page.getByRole("heading");
  await waitFor(() => expect(heading.textContent).toBe("Comments 2, and older ones"));
  fireEvent.click(page.getByRole("button", { name: "Older comments" }));
  await waitFor(() => expect(heading.textContent).toBe("Comments 4, and older ones"));
  fireEvent.click(page.getByRole("button", { name: "Older comments" }));
  await waitFor(() => expect(heading.textContent).toBe("Comments 5"));
  expect(texts(page)).toEqual([5, 4, 3, 2, 1].map((id) => `“remark ${id}”`));
  expect(page.queryByRole("button", { name: "Older comments" })).toBeNull();
});

test("a comment that comes in leaves the older ones on the page", async () => {
  let there = [5, 4, 3, 2, 1];
  const asked = service(() => there, 2);
  const page = opened();
  fireEvent.click(await page.findByRole("button", { name: "Older comments" }));
  await waitFor(() => expect(texts(page)).toHaveLength(4));
  there = [6, ...there];
  comments += 1;
  page.again();
  await waitFor(() => expect(texts(page)).toEqual([6, 5, 4, 3].map((id) => `“remark ${id}”`)));
  expect(asked).toEqual([0, 4, 0, 5]);
});
