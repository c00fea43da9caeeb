import type { CountRow, ClassShown as Mark } from "../api/schema";
import type { Figure } from "../charts/Chart";
import { interval, percent } from "./differential";

/** Each type's share by the model alone (hollow) and as counted now (filled, in its colour), the latter with its 95% interval. */
export function sharesFigure(rows: CountRow[], marks: Map<string, Mark>, dark: boolean): Figure {
  const order = rows.map((row) => `${marks.get(row.label)?.key ?? "?"}  ${row.title}`);
  const values = rows.map((row, place) => {
    const mark = marks.get(row.label);
    return {
      type: order[place],
      before: row.before.share,
      after: row.after.share,
      low: row.after.low,
      high: row.after.high,
      ink: (dark ? mark?.dark : mark?.light) ?? "#868c94",
      "Model alone": `${row.before.count} (${percent(row.before.share)})`,
      "Counted now": `${row.after.count} (${percent(row.after.share)})`,
      "95% interval": `${interval(row.after)}%`,
    };
  });
  return (inks) => ({
    data: { values },
    encoding: {
      y: { field: "type", type: "nominal", sort: order, title: null, axis: { labelColor: inks.ink, labelLimit: 220 } },
      tooltip: ["type", "Model alone", "Counted now", "95% interval"].map((field) => ({
        field,
        type: "nominal",
        title: field === "type" ? "Type" : field,
      })),
    },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2, opacity: 0.55 },
        encoding: {
          x: {
            field: "low",
            type: "quantitative",
            title: "share of leukocytes",
            axis: { format: ".0%", grid: true, tickCount: 6 },
          },
          x2: { field: "high" },
          color: { field: "ink", type: "nominal", scale: null },
        },
      },
      {
        mark: { type: "point", filled: false, size: 70, strokeWidth: 1.5 },
        encoding: { x: { field: "before", type: "quantitative" }, color: { value: inks.strong } },
      },
      {
        mark: { type: "point", filled: true, size: 70, opacity: 1 },
        encoding: {
          x: { field: "after", type: "quantitative" },
          color: { field: "ink", type: "nominal", scale: null },
        },
      },
    ],
  });
}
