import { fireEvent, render } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { askForMissing, Picture } from "./Picture";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** How often the address of a picture is set anew. */
function counting(image: HTMLImageElement): () => number {
  let asked = 0;
  Object.defineProperty(image, "src", { set: () => asked++, configurable: true });
  return () => asked;
}

const shown = (src = "/cell/7") => {
  const { container, unmount } = render(<Picture src={src} alt="Cell 7" />);
  return { image: container.querySelector("img")!, unmount };
};

test("a picture that did not come is no broken icon, and is asked for again when the line is mended", () => {
  const { image } = shown();
  const asked = counting(image);
  fireEvent.error(image);
  expect(image.style.visibility).toBe("hidden");
  askForMissing();
  expect(asked()).toBe(1);
  fireEvent.load(image);
  expect(image.style.visibility).toBe("");
  askForMissing();
  expect(asked()).toBe(1);
});

test("it is tried a few times by itself, then no more until the line is mended", () => {
  const { image } = shown();
  const asked = counting(image);
  for (let turn = 0; turn < 10; turn++) {
    fireEvent.error(image);
    vi.advanceTimersByTime(60_000);
  }
  expect(asked()).toBe(3);
  askForMissing();
  expect(asked()).toBe(4);
});

test("a picture that is gone from the screen is not asked for", () => {
  const { image, unmount } = shown();
  const asked = counting(image);
  fireEvent.error(image);
  unmount();
  vi.advanceTimersByTime(60_000);
  askForMissing();
  expect(asked()).toBe(0);
});
