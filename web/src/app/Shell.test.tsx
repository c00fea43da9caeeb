import type { RouteObject } from "react-router";
import { expect, test, vi } from "vitest";
import { routes } from "./routes";
import { titleOf } from "./Shell";

vi.mock("./theme", () => ({ useTheme: () => "light", setTheme: () => {} }));

/** The addresses that have a screen, with a number for each parameter. */
function addresses(some: RouteObject[], above = ""): string[] {
  return some.flatMap(({ path, index, element, lazy, children }) => {
    const here = path ? `${above}/${path.replace(/^\//, "")}`.replace("//", "/") : above;
    if (children) return addresses(children, here === "/" ? "" : here);
    // The index of the whole only leads on; whatever is at no known address has no name.
    return path === "*" || (index && element) || !lazy ? [] : [here.replace(/:\w+/g, "7")];
  });
}

test("every screen has a window title", () => {
  const all = addresses(routes);
  expect(all).toEqual(expect.arrayContaining(["/sign-in", "/projects/7", "/projects/7/reviews"]));
  expect(all.filter((address) => !titleOf(address))).toEqual([]);
});
