/** The model's charts, each a function of what it is about. */

import type { CalibrationBin, Efficiency, ClassShown as Mark, Step } from "../api/schema";
import type { Figure } from "../charts/Chart";
import type { ConfusionCell, Interval } from "./facts";

const F1 = { type: "quantitative", title: "macro-F1", scale: { zero: false, nice: true } } as const;

/** A type as its letter and title, so that a colour never stands alone. */
export function titleOf(types: Mark[], name: string): string {
  const mark = types.find((type) => type.name === name);
  return mark ? `${mark.key}  ${mark.title}` : name.replaceAll("_", " ");
}

export function countsFigure(counts: { name: string; count: number }[], types: Mark[], dark: boolean): Figure {
  const values = counts.map(({ name, count }) => {
    const mark = types.find((type) => type.name === name);
    return { type: titleOf(types, name), count, ink: (dark ? mark?.dark : mark?.light) ?? null };
  });
  return (inks) => ({
    data: { values: values.map((value) => ({ ...value, ink: value.ink ?? inks.accent })) },
    encoding: {
      y: {
        field: "type",
        type: "nominal",
        sort: values.map(({ type }) => type),
        title: null,
        axis: { labelColor: inks.ink, labelLimit: 200 },
      },
      x: {
        field: "count",
        type: "quantitative",
        title: "labelled cells",
        axis: { grid: true, tickCount: 5 },
        // Room for the number behind the longest bar.
        scale: { domainMax: 1.18 * Math.max(1, ...counts.map(({ count }) => count)) },
      },
      tooltip: [
        { field: "type", title: "Type" },
        { field: "count", title: "Cells", format: "," },
      ],
    },
    layer: [
      {
        mark: { type: "bar", height: { band: 0.55 } },
        encoding: { color: { field: "ink", type: "nominal", scale: null } },
      },
      {
        mark: { type: "text", align: "left", dx: 5, color: inks.quiet },
        encoding: { text: { field: "count", format: "," } },
      },
    ],
  });
}

export function confusionFigure(cells: ConfusionCell[], order: string[], types: Mark[]): Figure {
  const letter = (name: string) => types.find((type) => type.name === name)?.key ?? name.replaceAll("_", " ");
  const values = cells.map((cell) => ({ ...cell, row: titleOf(types, cell.truth), column: letter(cell.read) }));
  return (inks) => ({
    data: { values },
    encoding: {
      y: {
        field: "row",
        type: "nominal",
        sort: order.map((name) => titleOf(types, name)),
        title: "type by experts",
        axis: { labelColor: inks.ink, labelLimit: 200 },
      },
      x: {
        field: "column",
        type: "nominal",
        sort: order.map(letter),
        title: "read by model",
        axis: { labelColor: inks.ink, labelAngle: 0, orient: "top" },
      },
      tooltip: [
        { field: "row", title: "Experts" },
        { field: "read", title: "Model" },
        { field: "count", title: "Cells" },
        { field: "share", title: "Share", format: ".1%" },
      ],
    },
    layer: [
      {
        mark: { type: "rect", stroke: inks.ground, strokeWidth: 2 },
        encoding: {
          color: {
            field: "share",
            type: "quantitative",
            legend: null,
            scale: { domain: [0, 1], range: [inks.soft, inks.accent] },
          },
        },
      },
      {
        transform: [{ filter: "datum.count > 0" }],
        mark: { type: "text" },
        encoding: {
          text: { field: "count" },
          color: { condition: { test: "datum.share > 0.5", value: inks.ground }, value: inks.ink },
        },
      },
    ],
  });
}

export function lossFigure(training: Step[]): Figure {
  return () => ({
    data: { values: training },
    mark: { type: "line", strokeWidth: 1.5 },
    encoding: {
      x: { field: "step", type: "quantitative", title: "step", axis: { tickCount: 6 } },
      y: { field: "loss", type: "quantitative", title: "loss", scale: { zero: false }, axis: { tickCount: 5 } },
      tooltip: [
        { field: "step", title: "Step" },
        { field: "loss", title: "Loss", format: ".4f" },
      ],
    },
  });
}

export function efficiencyFigure(points: Efficiency[]): Figure {
  const x = {
    field: "labels",
    type: "quantitative",
    title: "labels",
    scale: { type: "log" },
    axis: { tickCount: 5, format: "~s" },
  };
  return () => ({
    data: { values: points },
    layer: [
      {
        transform: [{ filter: "isValid(datum.low) && isValid(datum.high)" }],
        mark: { type: "area", opacity: 0.16 },
        encoding: { x, y: { ...F1, field: "low" }, y2: { field: "high" } },
      },
      {
        mark: { type: "line", point: { filled: true, size: 36 } },
        encoding: {
          x,
          y: { ...F1, field: "macro_f1" },
          tooltip: [
            { field: "labels", title: "Labels", format: "," },
            { field: "macro_f1", title: "macro-F1", format: ".3f" },
          ],
        },
      },
    ],
  });
}

/** No line joins the bins: one of a single cell would draw the eye as much as one of hundreds. */
export function calibrationFigure(bins: CalibrationBin[]): Figure {
  const domain = [0, 1];
  const x = { type: "quantitative", title: "how sure the model was", scale: { domain }, axis: { format: ".0%" } };
  const y = { type: "quantitative", title: "how often it was right", scale: { domain }, axis: { format: ".0%" } };
  return (inks) => ({
    layer: [
      {
        data: {
          values: [
            { at: 0, right: 0 },
            { at: 1, right: 1 },
          ],
        },
        mark: { type: "line", color: inks.strong, strokeWidth: 1, strokeDash: [4, 4] },
        encoding: { x: { ...x, field: "at" }, y: { ...y, field: "right" } },
      },
      {
        data: { values: bins },
        mark: { type: "point", filled: true, opacity: 1 },
        encoding: {
          x: { ...x, field: "confidence" },
          y: { ...y, field: "accuracy" },
          size: { field: "cells", type: "quantitative", legend: null, scale: { range: [24, 260] } },
          tooltip: [
            { field: "confidence", title: "Sure", format: ".0%" },
            { field: "accuracy", title: "Right", format: ".0%" },
            { field: "cells", title: "Cells", format: "," },
          ],
        },
      },
    ],
  });
}

export function attributesFigure(attributes: ({ name: string } & Interval)[]): Figure {
  return (inks) => ({
    data: { values: attributes },
    encoding: {
      y: {
        field: "name",
        type: "nominal",
        sort: attributes.map(({ name }) => name),
        title: null,
        axis: { labelColor: inks.ink, labelLimit: 200 },
      },
      tooltip: [
        { field: "name", title: "Attribute" },
        { field: "value", title: "macro-F1", format: ".3f" },
        { field: "low", title: "from", format: ".3f" },
        { field: "high", title: "to", format: ".3f" },
      ],
    },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2, color: inks.accent, opacity: 0.5 },
        encoding: { x: { ...F1, field: "low", axis: { grid: true } }, x2: { field: "high" } },
      },
      { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: { ...F1, field: "value" } } },
    ],
  });
}
