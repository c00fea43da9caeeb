/** Control charts as the page writes and draws them. */

import type { DriftChartShown, ScannerDriftShown } from "../api/schema";
import type { Figure } from "../charts/Chart";

type Kind = DriftChartShown["kind"];

/** A value of a chart as people read it: shares in per cent, widths in pixels, the others as they are. */
export function valueWords(kind: Kind, value: number): string {
  if (kind === "scale") return `${value.toFixed(1)} px`;
  if (kind === "stain" || kind === "brightness") return value.toFixed(3);
  return `${(100 * value).toFixed(1)}%`;
}

const RULES: Record<string, string> = {
  "1_3s": "one case beyond three deviations",
  "2_2s": "two in a row beyond two",
  R_4s: "two in a row more than four apart",
  "4_1s": "four in a row beyond one",
};

/** Rules that a case completes, in words. */
export const rulesWords = (rules: readonly string[]) => rules.map((rule) => RULES[rule] ?? rule).join("; ");

/** The newest signature that its charts show: an answer is to those up to it. */
export const newest = (one: ScannerDriftShown) => Math.max(0, ...one.cases.map(({ signature }) => signature));

/** How far a scanner is: learning what is usual, or watched. */
export function standWords(one: ScannerDriftShown): string {
  if (one.cases.length === 0) return "No signed case is on its charts yet.";
  if (one.learnt <= one.baseline)
    return `Learning what is usual: ${one.learnt} of ${one.baseline} cases. The next ones are judged.`;
  const watched = one.learnt - one.baseline;
  return `${watched.toLocaleString("en")} ${watched === 1 ? "case" : "cases"} watched, after ${one.baseline} that say what is usual.${anewWords(one)}`;
}

/** After a move to another bundle: what it reads is another thing, and not judged before it is known. */
function anewWords({ learnt, learnt_readings: readings, baseline }: ScannerDriftShown): string {
  if (readings >= learnt || readings > baseline) return "";
  return ` Another bundle reads since: unusual cells and what people then said are learnt anew, ${readings} of ${baseline} cases.`;
}

/** What the charts promise together. */
export function promiseWords(promise: NonNullable<ScannerDriftShown["promise"]>): string {
  return (
    `Where nothing changes, ${Math.round(100 * promise.false)}% of scanners are flagged within 100 cases. ` +
    `A drift of ${promise.shift} standard deviations is flagged by its case ${Math.round(promise.median)} in half of all, ` +
    `by case ${Math.round(promise.most)} in 95%.`
  );
}

/** Whether there is anything to draw: a chart without a judged point is still learning. */
export const drawn = (chart: DriftChartShown) => chart.points.some(({ z, usual }) => z !== null && !usual);

/** A chart in standard deviations from what is usual, with the limits that a single case may not cross. */
export function driftFigure(one: ScannerDriftShown, chart: DriftChartShown): Figure {
  const limit = 3 * (one.promise?.stretch ?? 1);
  const values = chart.points.flatMap((point, at) =>
    point.z === null || point.value === null
      ? []
      : [
          {
            number: at + 1,
            case: one.cases[at]!.key,
            z: point.z,
            value: valueWords(chart.kind, point.value),
            state: point.rules.length ? "flagged" : point.usual ? "usual" : "watched",
          },
        ],
  );
  const x = { field: "number", type: "quantitative", title: null, axis: { tickMinStep: 1, format: "d" } };
  const y = { type: "quantitative", title: null, axis: { tickCount: 5 } };
  return (inks) => ({
    data: { values },
    layer: [
      {
        data: { values: [-limit, 0, limit].map((at) => ({ at })) },
        mark: { type: "rule", color: inks.strong, strokeDash: [3, 3], strokeWidth: 1 },
        encoding: { y: { ...y, field: "at" } },
      },
      { mark: { type: "line", color: inks.quiet, strokeWidth: 1 }, encoding: { x, y: { ...y, field: "z" } } },
      {
        mark: { type: "point", filled: true, size: 36, opacity: 1 },
        encoding: {
          x,
          y: { ...y, field: "z" },
          shape: {
            field: "state",
            type: "nominal",
            legend: null,
            scale: { domain: ["usual", "watched", "flagged"], range: ["circle", "circle", "diamond"] },
          },
          color: {
            field: "state",
            type: "nominal",
            legend: null,
            scale: { domain: ["usual", "watched", "flagged"], range: [inks.strong, inks.accent, inks.ink] },
          },
          size: { condition: { test: "datum.state === 'flagged'", value: 130 }, value: 36 },
          tooltip: [
            { field: "case", title: "case" },
            { field: "value", title: chart.title },
            { field: "z", title: "deviations", format: ".1f" },
            { field: "state", title: "state" },
          ],
        },
      },
    ],
  });
}
