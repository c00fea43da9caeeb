import type { CurvePoint, Forecast } from "../api/schema";
import type { Figure } from "../charts/Chart";
import { openUpwards } from "./queue";

/** Macro-F1 by number of labels so far, with its interval, and where the planner expects the target to be met. */
export function curveFigure(curve: CurvePoint[], forecast: Forecast | null): Figure {
  const last = curve.at(-1);
  const ahead =
    forecast && last && forecast.more > 0
      ? [
          { labels: last.labels, macro_f1: last.macro_f1 },
          { labels: last.labels + forecast.more, macro_f1: forecast.target },
        ]
      : [];
  const span =
    forecast && last && forecast.more > 0
      ? [
          {
            low: last.labels + Math.max(0, forecast.low),
            high: last.labels + forecast.high,
            macro_f1: forecast.target,
          },
        ]
      : [];
  // An interval without an upper end goes on to the right of what is drawn.
  const beyond = forecast && openUpwards(forecast) ? span : [];
  const x = { field: "labels", type: "quantitative", title: "labels", axis: { tickCount: 5, format: "d" } };
  const y = { type: "quantitative", title: "macro-F1", scale: { zero: false, nice: true }, axis: { tickCount: 5 } };
  return (inks) => ({
    layer: [
      {
        data: { values: curve },
        mark: { type: "area", opacity: 0.16 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
      },
      {
        data: { values: curve },
        mark: { type: "line", point: { size: 30, filled: true } },
        encoding: {
          x,
          y: { ...y, field: "macro_f1" },
          tooltip: [
            { field: "labels", title: "labels" },
            { field: "macro_f1", title: "macro-F1", format: ".3f" },
            { field: "low", title: "from", format: ".3f" },
            { field: "high", title: "to", format: ".3f" },
          ],
        },
      },
      {
        data: { values: ahead },
        mark: { type: "line", strokeDash: [4, 4], color: inks.quiet },
        encoding: { x, y: { ...y, field: "macro_f1" } },
      },
      {
        data: { values: span },
        mark: { type: "rule", strokeWidth: 2, color: inks.quiet },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y: { ...y, field: "macro_f1" } },
      },
      {
        data: { values: beyond },
        mark: { type: "point", shape: "triangle-right", filled: true, size: 60, opacity: 1, color: inks.quiet },
        encoding: { x: { ...x, field: "high" }, y: { ...y, field: "macro_f1" } },
      },
    ],
  });
}
