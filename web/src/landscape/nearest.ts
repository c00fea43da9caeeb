/** The point next to the pointer, among very many: points sorted into the squares of a grid. */

import { boundsOf } from "./camera";

const POINTS_TO_A_SQUARE = 4;

export class Grid {
  private readonly left: number;
  private readonly bottom: number;
  private readonly side: number;
  private readonly across: number;
  private readonly up: number;
  /** Where each square's points begin in `order`. */
  private readonly begin: Uint32Array;
  private readonly order: Uint32Array;

  constructor(
    private readonly x: ArrayLike<number>,
    private readonly y: ArrayLike<number>,
  ) {
    const bounds = boundsOf([{ x, y }]);
    const width = Math.max(bounds.right - bounds.left, 1e-9);
    const height = Math.max(bounds.top - bounds.bottom, 1e-9);
    const squares = Math.max(1, x.length / POINTS_TO_A_SQUARE);
    this.left = bounds.left;
    this.bottom = bounds.bottom;
    this.side = Math.max(Math.sqrt((width * height) / squares), Math.max(width, height) / 4096);
    this.across = Math.floor(width / this.side) + 1;
    this.up = Math.floor(height / this.side) + 1;
    this.begin = new Uint32Array(this.across * this.up + 1);
    for (let i = 0; i < x.length; i++) {
      const square = this.square(i);
      if (square >= 0) this.begin[square + 1]!++;
    }
    for (let s = 1; s < this.begin.length; s++) this.begin[s]! += this.begin[s - 1]!;
    this.order = new Uint32Array(this.begin.at(-1)!);
    const next = this.begin.slice(0, -1);
    for (let i = 0; i < x.length; i++) {
      const square = this.square(i);
      if (square >= 0) this.order[next[square]!++] = i;
    }
  }

  /** The index of the nearest point within `radius` of a place that `shown` lets through, or -1. */
  nearest(px: number, py: number, radius: number, shown: (index: number) => boolean = () => true): number {
    let best = -1;
    let least = radius * radius;
    const columns = this.span(px - radius, px + radius, this.left, this.across);
    const rows = this.span(py - radius, py + radius, this.bottom, this.up);
    for (let row = rows[0]; row <= rows[1]; row++) {
      for (let column = columns[0]; column <= columns[1]; column++) {
        const square = row * this.across + column;
        for (let at = this.begin[square]!; at < this.begin[square + 1]!; at++) {
          const i = this.order[at]!;
          const distance = (this.x[i]! - px) ** 2 + (this.y[i]! - py) ** 2;
          if (distance <= least && shown(i)) {
            least = distance;
            best = i;
          }
        }
      }
    }
    return best;
  }

  private span(from: number, to: number, start: number, count: number): [number, number] {
    return [
      Math.max(0, Math.floor((from - start) / this.side)),
      Math.min(count - 1, Math.floor((to - start) / this.side)),
    ];
  }

  private square(i: number): number {
    const column = Math.floor((this.x[i]! - this.left) / this.side);
    const row = Math.floor((this.y[i]! - this.bottom) / this.side);
    return column >= 0 && row >= 0 ? row * this.across + column : -1;
  }
}
