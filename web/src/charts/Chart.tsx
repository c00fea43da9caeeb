import { useEffect, useMemo, useRef, useState } from "react";
import type { VisualizationSpec } from "vega-embed";
import { useTheme } from "../app/theme";
import type { Drawn } from "./draw";
import { configOf, type Inks, inksOf } from "./look";
import "./charts.scss";

/** A Vega-Lite spec of any figure, without width: charts are as wide as their place. */
export type Figure = (inks: Inks) => Record<string, unknown>;

interface Props {
  /** What the chart says, for those who do not see it. */
  label: string;
  /** Made anew whenever the page turns light or dark. Keep it stable with useMemo or useCallback. */
  figure: Figure;
  height?: number;
}

/** A chart in the page's ink. Vega is fetched when the first one is drawn. */
export function Chart({ label, figure, height = 220 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const [fault, setFault] = useState<unknown>(null);
  // The inks stand in the style sheet; the theme says when they change.
  const spec = useMemo(() => ({ theme, make: figure }), [theme, figure]);

  useEffect(() => {
    let drawn: Drawn | null = null;
    let gone = false;
    const element = place.current!;
    import("./draw")
      .then(async ({ draw }) => {
        if (gone) return;
        const inks = inksOf();
        const whole = {
          $schema: "https://vega.github.io/schema/vega-lite/v6.json",
          width: "container",
          height: height - 48,
          autosize: { type: "fit-x", contains: "padding" },
          ...spec.make(inks),
        };
        drawn = await draw(element, whole as VisualizationSpec, configOf(inks));
        if (gone) drawn.erase();
      })
      .catch((cause: unknown) => !gone && setFault(cause));
    return () => {
      gone = true;
      drawn?.erase();
    };
  }, [spec, height]);

  if (fault) return <p className="fault-line">This chart could not be drawn: {String(fault)}</p>;
  return (
    <div className="chart" role="img" aria-label={label} style={{ minHeight: height }}>
      {/* The figure says what it shows as a whole; its marks, unnamed, would each be read out as a picture. */}
      <div ref={place} className="chart-place" aria-hidden="true" />
    </div>
  );
}
