import { describe, expect, it } from "vitest";
import { calibrationWords, differs, factor, measuredWords, scannerWords } from "./profiles";

const seen = {
  red_cell_px: 60.2,
  low: 58.9,
  high: 61.4,
  cells: 212,
  crops: 40,
  reason: null,
  factor: 1.279,
  used: 1.279,
};

describe("a measured scale", () => {
  it("says the width with its interval, on how much it rests, and what follows", () => {
    expect(measuredWords(seen)).toBe(
      "Red cells are 60 px wide (95% interval 59 to 61, 212 cells on 40 crops): scale 1.28.",
    );
  });
  it("says why it is unknown", () => {
    const unknown = { ...seen, red_cell_px: null, factor: null, used: 1, reason: "no red cell was seen", crops: 1 };
    expect(measuredWords(unknown)).toBe("The width of its red cells is unknown (no red cell was seen; 1 crop).");
    expect(differs(1.5, unknown)).toBe(false);
  });
  it("is offered only where it differs from the scale in use", () => {
    expect(differs(1, seen)).toBe(true);
    expect(differs(1.28, seen)).toBe(false);
    expect(differs(1, { ...seen, factor: 1.06, used: 1 })).toBe(false);
  });
  it("writes factors without idle noughts", () => {
    expect([1, 1.5, 0.729].map(factor)).toEqual(["1", "1.5", "0.73"]);
  });
});

describe("the scanner on a report", () => {
  it("is called as the laboratory called it, or by no name", () => {
    expect(scannerWords("Aperio, room 3")).toBe("Scanner: Aperio, room 3");
    expect(scannerWords("Scanner 1")).toBe("Scanner not named");
  });
});

describe("the calibration of a scanner", () => {
  it("says whose labels it rests on, and by how much probabilities are lowered", () => {
    expect(calibrationWords({ on: "bundle", temperature: 1 })).toContain("as the bundle calibrated them");
    expect(calibrationWords({ on: "labels", temperature: 1.624 })).toContain("own labels: lowered (temperature 1.62)");
    expect(calibrationWords({ on: "labels", temperature: 0.8 })).toContain("own labels: raised (0.80)");
  });
});
