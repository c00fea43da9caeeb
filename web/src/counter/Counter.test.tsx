import { cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { columnsOf } from "../columns/made";
import Counter from "./Counter";

const STATE = { phase: "ready", case: null, labelSet: "cell_type", columns: columnsOf([]) };
vi.mock("../project/context", () => ({
  useProjectContext: () => ({ project: { id: 7 } }),
  useProjectState: (pick: (state: typeof STATE) => unknown) => pick(STATE),
}));

/** What a browser without a clipboard of its own, or that refuses it, is given the old way; null where it takes none. */
let older: ((text: string) => boolean) | null;
beforeEach(() => {
  localStorage.clear();
  older = null;
  document.execCommand = () => {
    const area = document.activeElement;
    return older !== null && area instanceof HTMLTextAreaElement && older(area.value);
  };
});
afterEach(() => {
  cleanup();
  Reflect.deleteProperty(navigator, "clipboard");
});

const clipboard = (writeText?: (text: string) => Promise<void>) =>
  Object.defineProperty(navigator, "clipboard", { configurable: true, value: writeText && { writeText } });

function counted() {
  const page = render(<Counter />);
  fireEvent.keyDown(window, { key: "n" });
  const button = page.getByRole("button", { name: "Copy as text" });
  button.focus();
  fireEvent.click(button);
  return page;
}

test("the count is copied", async () => {
  const texts: string[] = [];
  clipboard(async (text) => void texts.push(text));
  await counted().findByRole("button", { name: "Copied" });
  expect(texts).toEqual([expect.stringContaining("Neutrophil\t1\t100.0%")]);
});

test.each([
  ["is none, as without TLS", () => clipboard()],
  ["is refused", () => clipboard(() => Promise.reject(new DOMException("No.", "NotAllowedError")))],
])("where the clipboard %s the older way is taken, and the focus stays", async (_, given) => {
  const texts: string[] = [];
  given();
  older = (text) => texts.push(text) > 0;
  const button = await counted().findByRole("button", { name: "Copied" });
  expect(texts).toEqual([expect.stringContaining("Neutrophil\t1\t100.0%")]);
  expect(document.activeElement).toBe(button);
  expect(document.querySelector("textarea")).toBeNull();
});

test("where nothing can be copied the text is shown, until the count is another", async () => {
  clipboard();
  const page = counted();
  const area = (await page.findByRole("textbox")) as HTMLTextAreaElement;
  expect(area.value).toContain("Neutrophil\t1\t100.0%");
  expect(page.getByRole("alert").textContent).toContain("copy the text yourself");
  fireEvent.keyDown(window, { key: "n" });
  expect(page.queryByRole("textbox")).toBeNull();
});
