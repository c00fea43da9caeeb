// @vitest-environment node
import { expect, test } from "vitest";
import { kappa, midnight, ofSecond, part } from "./figures";

test("a share stands with its interval and its number, and nothing stands for nothing", () => {
  expect(ofSecond({ agreed: 0.9, low: 0.699, high: 0.972, second: 20 })).toBe("90% (70 to 97) of 20");
  expect(ofSecond({ agreed: null, low: null, high: null, second: 0 })).toBe("–");
  expect(part(9, 118)).toBe("9 (8%)");
  expect(part(0, 0)).toBe("–");
  expect(kappa({ kappa: 0.812, low: 0.62, high: 1 })).toBe("0.81 (0.62 to 1.00)");
  expect(kappa({ kappa: null, low: null, high: null })).toBe("–");
});

test("a day begins at the reader's midnight and the last one is included", () => {
  expect(midnight("")).toBeUndefined();
  expect(new Date(midnight("2026-03-02")!).getHours()).toBe(0);
  expect(new Date(midnight("2026-03-31", 1)!).getDate()).toBe(1);
});
