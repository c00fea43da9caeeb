/** Charts in the page's own ink: fonts, greys and the accent are read from the page, in the light and in the dark. */

import type { Config } from "vega-lite";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';

export interface Inks {
  ink: string;
  quiet: string;
  line: string;
  strong: string;
  accent: string;
  soft: string;
  ground: string;
}

/** The page's colours as they stand now. */
export function inksOf(element: Element = document.documentElement): Inks {
  const style = getComputedStyle(element);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  return {
    ink: read("--ink", "#1d2024"),
    quiet: read("--ink-2", "#565c64"),
    line: read("--line", "#e1e2e0"),
    strong: read("--line-strong", "#868c94"),
    accent: read("--accent", "#3b5bdb"),
    soft: read("--accent-soft", "#e6ebfb"),
    ground: read("--ground", "#fbfbfa"),
  };
}

export function configOf(inks: Inks): Config {
  return {
    background: "transparent",
    font: FONT,
    padding: 4,
    view: { stroke: null },
    axis: {
      domainColor: inks.line,
      gridColor: inks.line,
      tickColor: inks.line,
      labelColor: inks.quiet,
      labelFontSize: 12,
      titleColor: inks.quiet,
      titleFontSize: 12,
      titleFontWeight: "normal",
      labelPadding: 4,
      ticks: false,
    },
    axisX: { grid: false },
    axisY: { domain: false },
    legend: {
      labelColor: inks.quiet,
      titleColor: inks.quiet,
      labelFontSize: 12,
      titleFontSize: 12,
      titleFontWeight: "normal",
      symbolStrokeWidth: 2,
    },
    header: { labelColor: inks.ink, titleColor: inks.quiet, labelFontSize: 12, titleFontSize: 12 },
    mark: { color: inks.accent },
    text: { color: inks.ink, fontSize: 12 },
    rule: { color: inks.ink },
    line: { color: inks.accent, strokeWidth: 2 },
    area: { color: inks.accent },
    bar: { color: inks.accent },
    point: { color: inks.accent, size: 40 },
    range: { heatmap: [inks.ground, inks.accent], ramp: [inks.ground, inks.accent] },
  };
}
