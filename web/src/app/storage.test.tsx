import { cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useRemembered } from "../gallery/hooks";
import { keepProject, lastProject } from "../project/last";
import { memoryOf } from "../project/memory";
import { keep, kept } from "../tour/tour";
import { browserStorage, tabStorage } from "./storage";

const { localStorage, sessionStorage } = globalThis;
const STORAGES = { localStorage, sessionStorage };
const NAME = "hemosight.size";

const opened = () => {
  for (const [name, value] of Object.entries(STORAGES))
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
};
beforeEach(() => {
  for (const storage of [browserStorage, tabStorage]) storage.removeItem(NAME);
});
afterEach(() => {
  cleanup();
  opened();
});

/** As browsers do where a person lets pages keep nothing: even naming the storage throws. */
function shut(): void {
  for (const name of Object.keys(STORAGES))
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => {
        throw new DOMException("The operation is insecure.", "SecurityError");
      },
    });
}

function full(): void {
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("No room.", "QuotaExceededError");
  });
}

function Size() {
  const [size, setSize] = useRemembered("size", 88);
  return (
    <button type="button" onClick={() => setSize(size + 8)}>
      {size}
    </button>
  );
}

test.each([
  ["full", full],
  ["shut", shut],
])("where the storage is %s a choice holds as long as the page is open", (_, ail) => {
  ail();
  for (const size of ["88", "96"]) {
    const page = render(<Size />);
    expect(page.getByRole("button").textContent).toBe(size);
    fireEvent.click(page.getByRole("button"));
    expect(page.getByRole("button").textContent).toBe(String(Number(size) + 8));
    page.unmount();
  }
});

test("where the storage is shut the tour goes on, and what was done can be undone", () => {
  shut();
  keep(1, 2);
  expect(kept(1)).toBe(2);
  keep(1, null);
  expect(kept(1)).toBeNull();
  keepProject(7);
  expect(lastProject()).toBe(7);
  memoryOf(1, 1).write(null, [{ kind: "tag", tag: "odd", on: true, items: [{ image: 3 }], records: [3] }]);
  expect(memoryOf(1, 1).read(null)).toHaveLength(1);
  for (const name of ["hemosight.project", "hemosight.undo.1.1.all"]) tabStorage.removeItem(name);
});

test("what is kept is in the browser's storage, and a fault of the past hides nothing newer", () => {
  shut();
  browserStorage.setItem(NAME, "1");
  opened();
  expect(browserStorage.getItem(NAME)).toBe("1");
  browserStorage.setItem(NAME, "2");
  expect(localStorage.getItem(NAME)).toBe("2");
  localStorage.setItem(NAME, "3");
  expect(browserStorage.getItem(NAME)).toBe("3");
  browserStorage.removeItem(NAME);
  expect(browserStorage.getItem(NAME)).toBeNull();
});
