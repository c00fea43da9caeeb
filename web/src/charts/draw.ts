/** The only module that imports Vega; loaded when a chart is first drawn. */

import embed, { type VisualizationSpec } from "vega-embed";
import { expressionInterpreter } from "vega-interpreter";
import type { Config } from "vega-lite";

export interface Drawn {
  /** Take the chart off the page. */
  erase(): void;
}

/** Draw a Vega-Lite spec into an element. Expressions are interpreted: the service's page may not use `eval`. */
export async function draw(element: HTMLElement, spec: VisualizationSpec, config: Config): Promise<Drawn> {
  const result = await embed(element, spec, {
    mode: "vega-lite",
    ast: true,
    expr: expressionInterpreter,
    actions: false,
    defaultStyle: false,
    renderer: "svg",
    config: config as never,
    tooltip: { theme: "custom", disableDefaultStyle: true },
  });
  return { erase: () => result.finalize() };
}
