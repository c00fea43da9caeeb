import { type PointerEvent, useEffect, useRef, useState, type WheelEvent } from "react";
import { address } from "../api/client";
import { Picture } from "../ui/Picture";

interface Props {
  project: number;
  image: number;
  heat: boolean;
  labelSet: string;
  label: string | null;
}

const MOST = 8;

/** The crop as it was uploaded; the wheel or + and − zoom, a drag moves it. */
export function LargeCrop({ project, image, heat, labelSet, label }: Props) {
  const [zoom, setZoom] = useState({ scale: 1, x: 0, y: 0 });
  const drag = useRef<{ x: number; y: number } | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another cell starts unzoomed
  useEffect(() => setZoom({ scale: 1, x: 0, y: 0 }), [image]);

  const by = (factor: number) =>
    setZoom(({ scale, x, y }) => {
      const next = Math.min(MOST, Math.max(1, scale * factor));
      return next === 1 ? { scale: 1, x: 0, y: 0 } : { scale: next, x: (x * next) / scale, y: (y * next) / scale };
    });
  const wheel = (event: WheelEvent) => by(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  const down = (event: PointerEvent) => {
    if (zoom.scale === 1 || (event.target as Element).closest("button")) return;
    drag.current = { x: event.clientX - zoom.x, y: event.clientY - zoom.y };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const start = drag.current;
    if (start) setZoom((zoom) => ({ ...zoom, x: event.clientX - start.x, y: event.clientY - start.y }));
  };
  const up = () => {
    drag.current = null;
  };
  const path = `/projects/${project}/images/${image}` as const;
  return (
    <div className="large" onWheel={wheel} onPointerDown={down} onPointerMove={move} onPointerUp={up}>
      <div style={{ transform: `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})` }}>
        <Picture key={image} src={address(`${path}/picture`)} alt={`Cell ${image}`} draggable={false} />
        {heat && (
          <Picture
            key={`${image} ${label}`}
            className="heat"
            src={address(`${path}/heat`, { label_set: labelSet, label })}
            alt="Where the model looked"
            draggable={false}
          />
        )}
      </div>
      <span className="zoom">
        <button type="button" aria-label="Zoom out" disabled={zoom.scale === 1} onClick={() => by(1 / 1.5)}>
          −
        </button>
        <button type="button" aria-label="Zoom in" disabled={zoom.scale >= MOST} onClick={() => by(1.5)}>
          +
        </button>
      </span>
    </div>
  );
}
