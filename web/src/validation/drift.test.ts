import { describe, expect, it } from "vitest";
import type { ScannerDriftShown } from "../api/schema";
import { inksOf } from "../charts/look";
import { drawn, driftFigure, newest, promiseWords, rulesWords, standWords, valueWords } from "./drift";

const point = (value: number | null, z: number | null, rules: string[] = []) => ({ value, z, usual: false, rules });

function scanner(cases: number, learnt: number, readings = learnt): ScannerDriftShown {
  return {
    profile: 1,
    name: "Camera 2",
    cases: Array.from({ length: cases }, (_, at) => ({
      id: at + 1,
      key: `c${at}`,
      signature: at + 1,
      at: "2026-03-02",
    })),
    charts: [],
    flags: [],
    asks: false,
    learnt,
    learnt_readings: readings,
    baseline: 20,
    promise: { false: 0.34, shift: 3, median: 4, most: 10, stretch: 1.6 },
    answers: [],
  };
}

describe("control charts", () => {
  it("write each measure in its unit", () => {
    expect(valueWords("novelty", 0.0312)).toBe("3.1%");
    expect(valueWords("scale", 76.94)).toBe("76.9 px");
    expect(valueWords("stain", 0.12345)).toBe("0.123");
  });

  it("are answered up to the newest signature, which is an amended case's wherever it stands", () => {
    const one = scanner(3, 3);
    expect(newest(one)).toBe(3);
    one.cases[0]!.signature = 9;
    expect(newest(one)).toBe(9);
    expect(newest(scanner(0, 0))).toBe(0);
  });

  it("say how far they are", () => {
    expect(standWords(scanner(0, 0))).toContain("No signed case");
    expect(standWords(scanner(12, 12))).toContain("12 of 20 cases");
    expect(standWords(scanner(21, 21))).toMatch(/^1 case watched/);
    expect(standWords(scanner(40, 3))).toContain("3 of 20 cases");
    expect(promiseWords(scanner(1, 1).promise!)).toContain("34% of scanners");
    expect(rulesWords(["1_3s", "x"])).toBe("one case beyond three deviations; x");
  });

  it("say that readings are learnt anew under another bundle, until they are known", () => {
    expect(standWords(scanner(40, 40, 0))).toContain("learnt anew, 0 of 20 cases");
    expect(standWords(scanner(40, 40, 20))).toMatch(/^20 cases watched.*learnt anew, 20 of 20 cases/);
    for (const known of [scanner(41, 41, 21), scanner(40, 40), scanner(12, 12, 3)])
      expect(standWords(known)).not.toContain("Another bundle");
  });

  it("draw a case that says something, with the name of the case and the widened limits", () => {
    const chart = {
      name: "scale",
      kind: "scale" as const,
      title: "Width of red cells",
      centre: 77,
      deviation: 1,
      points: [point(77, 0), point(null, null), point(90, 13, ["1_3s"])],
    };
    expect(drawn(chart)).toBe(true);
    expect(drawn({ ...chart, points: [point(77, null)] })).toBe(false);
    const figure = driftFigure(scanner(3, 23), chart)(inksOf()) as {
      data: { values: { case: string; state: string; number: number }[] };
      layer: { data?: { values: { at: number }[] } }[];
    };
    expect(figure.data.values.map((one) => [one.case, one.number, one.state])).toEqual([
      ["c0", 1, "watched"],
      ["c2", 3, "flagged"],
    ]);
    expect(figure.layer[0]!.data!.values[2]!.at).toBeCloseTo(4.8);
  });
});
