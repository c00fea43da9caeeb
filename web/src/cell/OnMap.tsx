import { useEffect, useRef } from "react";
import { Link } from "react-router";
import type { ClassShown as Mark } from "../api/schema";
import { useTheme } from "../app/theme";
import { useReference } from "../landscape/reference";
import { useProjectContext } from "../project/context";

const WIDTH = 264;
const HEIGHT = 132;
/** More dots than this do not fit the picture. */
const DOTS = 6000;

/** Where the cell lies among the known ones. The map itself is a screen of its own. */
export function OnMap({ x, y, mark, image }: { x: number; y: number; mark: Mark | undefined; image: number }) {
  const { project } = useProjectContext();
  const theme = useTheme();
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useReference();

  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen || !map.data) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.current!.width = WIDTH * ratio;
    canvas.current!.height = HEIGHT * ratio;
    pen.scale(ratio, ratio);
    const { x: xs, y: ys } = map.data;
    const type = map.data.codes.cell_type;
    const classes = map.data.classes.cell_type ?? [];
    const range = (values: Float32Array, own: number) => {
      let low = own;
      let high = own;
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      return [low, high] as const;
    };
    const [left, right] = range(xs, x);
    const [bottom, top] = range(ys, y);
    const px = (value: number) => 6 + ((value - left) / (right - left || 1)) * (WIDTH - 12);
    const py = (value: number) => 6 + ((top - value) / (top - bottom || 1)) * (HEIGHT - 12);
    const step = Math.max(1, Math.floor(xs.length / DOTS));
    pen.globalAlpha = 0.45;
    for (let row = 0; row < xs.length; row += step) {
      pen.fillStyle = (type && classes[type[row]!]?.[theme]) || "#888";
      pen.fillRect(px(xs[row]!), py(ys[row]!), 1.2, 1.2);
    }
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(px(x), py(y), 5, 0, 2 * Math.PI);
    pen.fillStyle = mark?.[theme] ?? "#888";
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = theme === "dark" ? "#fff" : "#1d2024";
    pen.stroke();
  }, [map.data, x, y, mark, theme]);

  if (!map.data || !Number.isFinite(x)) return null;
  return (
    <section className="on-map">
      <h3>On the map</h3>
      <Link to={`/projects/${project.id}/map`} title="Open the map">
        <canvas
          ref={canvas}
          style={{ width: WIDTH, maxWidth: "100%", aspectRatio: WIDTH / HEIGHT }}
          role="img"
          aria-label={`Cell ${image} among the known cells`}
        />
      </Link>
    </section>
  );
}
