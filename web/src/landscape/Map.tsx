import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useTheme } from "../app/theme";
import { latin } from "../gallery/keys";
import { boundsOf, fit, pan, type Size, toMap, toScreen, type View, zoom } from "./camera";
import { type Grouping, middles, paletteOf, rgb } from "./grouping";
import { caught, type Loop, thinned } from "./lasso";
import { Grid } from "./nearest";
import { type Layer, Renderer } from "./renderer";
import "./landscape.scss";

export interface Points {
  x: Float32Array;
  y: Float32Array;
  grouping: Grouping;
  hidden: ReadonlySet<number>;
}

export type Tool = "move" | "lasso";

interface Props {
  project: Points | null;
  reference: Points | null;
  /** Rows of the project's points that are selected. */
  chosen: Uint32Array;
  tool: Tool;
  /** Rows caught by the lasso; `more` where Shift or Control adds to what is selected. */
  onCatch: (rows: number[], more: boolean) => void;
  /** A single point was pressed. */
  onPick: (row: number | null, more: boolean) => void;
  /** What is shown beside the point under the pointer. */
  card: (layer: Layer, row: number) => ReactNode;
}

const SIZES: Record<Layer, (count: number) => number> = {
  reference: (count) => (count > 100_000 ? 2 : 3.5),
  project: (count) => (count > 300_000 ? 2.5 : count > 20_000 ? 4 : 8),
};
const OPACITY: Record<Layer, number> = { reference: 0.32, project: 0.92 };
const REACH = 10;
const NO_ROWS = new Float32Array(0);

/** The map: drag to move, wheel to zoom, a line drawn around cells selects them. */
export function LandscapeMap({ project, reference, chosen, tool, onCatch, onPick, card }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [renderer, setRenderer] = useState<Renderer | null>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [view, setView] = useState<View | null>(null);
  const [loop, setLoop] = useState<Loop>([]);
  const [hover, setHover] = useState<{ layer: Layer; row: number } | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [epoch, setEpoch] = useState(0);
  const drag = useRef<{ x: number; y: number; moved: boolean; lasso: boolean } | null>(null);
  const dark = useTheme() === "dark";

  const [ox, oy, gx, gy] = [
    project?.x ?? NO_ROWS,
    project?.y ?? NO_ROWS,
    reference?.x ?? NO_ROWS,
    reference?.y ?? NO_ROWS,
  ];
  const bounds = useMemo(
    () =>
      boundsOf([
        { x: gx, y: gy },
        { x: ox, y: oy },
      ]),
    [ox, oy, gx, gy],
  );
  // Sorted into grids when the pointer first asks: a map that nobody points at needs none.
  const projectGrid = useMemo(() => once(() => new Grid(ox, oy)), [ox, oy]);
  const referenceGrid = useMemo(() => once(() => new Grid(gx, gy)), [gx, gy]);

  // The renderer lives as long as its canvas; where the driver takes the context away, a new canvas makes a new one.
  const canvas = useCallback((element: HTMLCanvasElement | null) => {
    if (!element) return;
    let made: Renderer;
    try {
      made = new Renderer(element);
    } catch (cause) {
      setFault(cause instanceof Error ? cause.message : String(cause));
      return;
    }
    const lost = () => setEpoch((n) => n + 1);
    element.addEventListener("webglcontextlost", lost);
    setRenderer(made);
    return () => {
      element.removeEventListener("webglcontextlost", lost);
      setRenderer(null);
      made.dispose();
    };
  }, []);

  useLayoutEffect(() => {
    const element = frame.current!;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (size.width && size.height) renderer?.resize(size, Math.min(2, window.devicePixelRatio || 1));
  }, [renderer, size]);

  const whole = useCallback(() => {
    if (size.width && size.height) setView(fit(bounds, size));
  }, [bounds, size]);
  // All is shown, whatever arrives and however the window changes, until the reader moves the map.
  const touched = useRef(false);
  useEffect(() => {
    if (!touched.current && (ox.length || gx.length)) whole();
  }, [whole, ox, gx]);
  const change = (moved: (now: View) => View) => {
    touched.current = true;
    setView((now) => now && moved(now));
  };
  const all = () => {
    touched.current = false;
    whole();
  };

  usePoints(renderer, "project", project, dark);
  usePoints(renderer, "reference", reference, dark);
  useEffect(() => renderer?.choose(chosen, rgb(dark ? "#e6e7e9" : "#1d2024")), [renderer, chosen, dark]);
  useEffect(() => {
    if (view) renderer?.look(view);
  }, [renderer, view]);

  const shown = (points: Points | null) => (row: number) => !!points && !points.hidden.has(points.grouping.of[row]!);

  const under = (px: number, py: number): { layer: Layer; row: number } | null => {
    if (!view) return null;
    const [x, y] = toMap(view, size, px, py);
    const own = projectGrid().nearest(x, y, REACH / view.scale, shown(project));
    if (own >= 0) return { layer: "project", row: own };
    const row = referenceGrid().nearest(x, y, REACH / view.scale, shown(reference));
    return row >= 0 ? { layer: "reference", row } : null;
  };

  const place = (event: { clientX: number; clientY: number }): [number, number] => {
    const box = frame.current!.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const [x, y] = place(event);
    const lasso = tool === "lasso" || event.shiftKey;
    drag.current = { x, y, moved: false, lasso };
    (event.target as Element).setPointerCapture(event.pointerId);
    setHover(null);
    if (lasso) setLoop([[x, y]]);
  };

  const move = (event: PointerEvent) => {
    const [x, y] = place(event);
    const held = drag.current;
    if (!held) {
      const found = under(x, y);
      setHover((now) => (now?.row === found?.row && now?.layer === found?.layer ? now : found));
      return;
    }
    if (Math.hypot(x - held.x, y - held.y) > 3) held.moved = true;
    if (held.lasso) setLoop((line) => [...line, [x, y]]);
    else if (held.moved) {
      const [dx, dy] = [x - held.x, y - held.y];
      drag.current = { ...held, x, y };
      change((now) => pan(now, dx, dy));
    }
  };

  const up = (event: PointerEvent) => {
    const held = drag.current;
    drag.current = null;
    const [x, y] = place(event);
    const more = event.ctrlKey || event.metaKey || (event.shiftKey && tool === "lasso");
    if (held && !held.moved) {
      const found = under(x, y);
      onPick(found?.layer === "project" ? found.row : null, more);
    } else if (held?.lasso && view && project) {
      const line: Loop = thinned([...loop, [x, y]], 3).map(([px, py]) => toMap(view, size, px, py));
      onCatch(caught(line, project.x, project.y, shown(project)), more);
    }
    setLoop([]);
  };

  // React listens to wheels passively; zooming must keep the page from scrolling.
  useEffect(() => {
    const element = frame.current!;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016));
      touched.current = true;
      setView((now) => now && zoom(now, size, factor, event.clientX - box.left, event.clientY - box.top));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [size]);

  const keys = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 160 : 48;
    const moves: Record<string, (now: View) => View> = {
      ArrowLeft: (now) => pan(now, step, 0),
      ArrowRight: (now) => pan(now, -step, 0),
      ArrowUp: (now) => pan(now, 0, step),
      ArrowDown: (now) => pan(now, 0, -step),
      "+": (now) => zoom(now, size, 1.4),
      "=": (now) => zoom(now, size, 1.4),
      "-": (now) => zoom(now, size, 1 / 1.4),
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = latin(event);
    const moved = moves[key];
    if (moved) change(moved);
    else if (key === "0") all();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  // Where both layers have the same groups, the reference says where a type lies: a project may have two cells of it.
  const shared = reference?.grouping.groups[0]?.title === project?.grouping.groups[0]?.title;
  const lettered = reference && (shared || !ox.length) ? reference : project;
  const grouping = lettered?.grouping;
  const [lx, ly] = lettered === reference ? [gx, gy] : [ox, oy];
  const letters = useMemo(() => (grouping ? middles(grouping, lx, ly) : []), [grouping, lx, ly]);

  if (fault) return <p className="map-fault">{fault} The gallery shows the same cells.</p>;
  const at = hover && view && placeOf(hover, project, reference);
  const [hx, hy] = at && view ? toScreen(view, size, at.x, at.y) : [0, 0];
  return (
    // The map is one thing to the keyboard: arrows move it, plus and minus zoom, 0 shows all.
    <div
      ref={frame}
      className={`map map-${tool}`}
      role="application"
      aria-label="Map of the cells. Arrow keys move it, plus and minus zoom, 0 shows all."
      // biome-ignore lint/a11y/noNoninteractiveTabindex: an application region handles its own keys
      tabIndex={0}
      onKeyDown={keys}
    >
      <canvas
        key={epoch}
        ref={canvas}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerLeave={() => setHover(null)}
        onDoubleClick={all}
      />
      <svg className="map-lines" aria-hidden="true">
        {loop.length > 1 && <polygon points={loop.map((point) => point.join(",")).join(" ")} />}
        {at && <circle cx={hx} cy={hy} r={8} />}
      </svg>
      {view &&
        letters.map((middle, index) => {
          const group = lettered?.grouping.groups[index];
          if (!middle || !group || lettered.hidden.has(index)) return null;
          const [left, top] = toScreen(view, size, middle.x, middle.y);
          if (left < 0 || top < 0 || left > size.width || top > size.height) return null;
          return (
            <span key={group.title} className="map-letter" style={{ left, top }} aria-hidden="true">
              {group.letter}
            </span>
          );
        })}
      {at && hover && (
        <div
          className="map-card"
          style={{
            left: hx > size.width - 220 ? hx - 216 : hx + 16,
            top: Math.min(Math.max(8, hy - 60), size.height - 136),
          }}
        >
          {card(hover.layer, hover.row)}
        </div>
      )}
      <div className="map-zoom">
        <button type="button" onClick={() => change((now) => zoom(now, size, 1.6))} aria-label="Zoom in">
          +
        </button>
        <button type="button" onClick={() => change((now) => zoom(now, size, 1 / 1.6))} aria-label="Zoom out">
          {"\u2212"}
        </button>
        <button type="button" onClick={all} aria-label="Show all cells">
          all
        </button>
      </div>
    </div>
  );
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Keep a layer's points, groups and colours in the renderer; each is sent only when it has changed. */
function usePoints(renderer: Renderer | null, layer: Layer, points: Points | null, dark: boolean) {
  const none = useMemo(() => new Uint8Array(0), []);
  const x = points?.x ?? NO_ROWS;
  const y = points?.y ?? NO_ROWS;
  const of = points?.grouping.of ?? none;
  // biome-ignore lint/correctness/useExhaustiveDependencies: groups alone are sent by the effect below
  useEffect(() => {
    renderer?.place(layer, x, y, of.length === x.length ? of : new Uint8Array(x.length), SIZES[layer](x.length));
  }, [renderer, layer, x, y]);
  useEffect(() => {
    if (of.length === x.length) renderer?.regroup(layer, of);
  }, [renderer, layer, of, x.length]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new places come without colours
  useEffect(() => {
    if (!points) return;
    renderer?.paint(layer, paletteOf(points.grouping.groups, dark, points.hidden, OPACITY[layer]));
  }, [renderer, layer, points?.grouping.groups, points?.hidden, dark, x]);
}

function placeOf(hover: { layer: Layer; row: number }, project: Points | null, reference: Points | null) {
  const points = hover.layer === "project" ? project : reference;
  const [x, y] = [points?.x[hover.row], points?.y[hover.row]];
  return x === undefined || y === undefined ? null : { x, y };
}
