/** Where one looks at the map from. Data grow upwards, pixels downwards. */

export interface View {
  /** What lies in the middle of the picture, in the map's own units. */
  x: number;
  y: number;
  /** CSS pixels to one unit of the map. */
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Bounds {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

/** The box around all finite points of some clouds; a unit square where there is none. */
export function boundsOf(clouds: { x: ArrayLike<number>; y: ArrayLike<number> }[]): Bounds {
  const found = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (const { x, y } of clouds) {
    for (let i = 0; i < x.length; i++) {
      const px = x[i]!;
      const py = y[i]!;
      // A cell that is not read yet has no place: NaN fails every comparison.
      if (!(px - px === 0 && py - py === 0)) continue;
      if (px < found.left) found.left = px;
      if (px > found.right) found.right = px;
      if (py < found.bottom) found.bottom = py;
      if (py > found.top) found.top = py;
    }
  }
  return found.left <= found.right ? found : { left: 0, right: 1, bottom: 0, top: 1 };
}

/** The view that shows a box whole, with a margin around it. */
export function fit(bounds: Bounds, size: Size, margin = 24): View {
  const width = Math.max(bounds.right - bounds.left, 1e-6);
  const height = Math.max(bounds.top - bounds.bottom, 1e-6);
  const scale = Math.min(
    Math.max(size.width - 2 * margin, 16) / width,
    Math.max(size.height - 2 * margin, 16) / height,
  );
  return { x: (bounds.left + bounds.right) / 2, y: (bounds.bottom + bounds.top) / 2, scale };
}

export function toScreen(view: View, size: Size, x: number, y: number): [number, number] {
  return [(x - view.x) * view.scale + size.width / 2, (view.y - y) * view.scale + size.height / 2];
}

export function toMap(view: View, size: Size, px: number, py: number): [number, number] {
  return [view.x + (px - size.width / 2) / view.scale, view.y - (py - size.height / 2) / view.scale];
}

/** Move what is shown by so many pixels. */
export function pan(view: View, dx: number, dy: number): View {
  return { x: view.x - dx / view.scale, y: view.y + dy / view.scale, scale: view.scale };
}

/** Zoom so that what lies under a pixel stays under it. */
export function zoom(view: View, size: Size, factor: number, px = size.width / 2, py = size.height / 2): View {
  const [x, y] = toMap(view, size, px, py);
  const scale = view.scale * factor;
  return { x: x - (px - size.width / 2) / scale, y: y + (py - size.height / 2) / scale, scale };
}
