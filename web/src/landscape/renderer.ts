/**
 * Points by the million, in WebGL 2 and without `eval`.
 *
 * A point is two floats and one byte, its group; what a group looks like is a palette of a few vectors, so that colours,
 * themes and hidden groups change without touching the points. Drawing is progressive: every k-th point first, by
 * reading the same buffers with a longer stride, then the rest a slice at a time while nobody moves the map. k follows
 * from what this machine draws in a frame.
 */

import type { Size, View } from "./camera";
import { MOST_SLICES, Pace } from "./pace";

/** Groups that a palette can hold. A point of any later group is not drawn. */
export const GROUPS = 64;

const VERTEX = `#version 300 es
in float x;
in float y;
in float group;
uniform vec4 view;
uniform float size;
uniform vec4 palette[${GROUPS}];
out vec4 ink;
void main() {
  int g = int(group + 0.5);
  ink = g < ${GROUPS} ? palette[g] : vec4(0.0);
  bool drawn = ink.a > 0.0 && x == x && y == y;
  gl_Position = drawn ? vec4((vec2(x, y) - view.xy) * view.zw, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink;
uniform float ring;
out vec4 colour;
void main() {
  float r = 2.0 * length(gl_PointCoord - 0.5);
  if (r > 1.0 || r < ring) discard;
  colour = vec4(ink.rgb * ink.a, ink.a);
}`;

export type Layer = "reference" | "project";

interface Cloud {
  count: number;
  x: WebGLBuffer;
  y: WebGLBuffer;
  group: WebGLBuffer;
  palette: Float32Array;
  size: number;
}

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly program: WebGLProgram;
  private readonly clouds = new Map<Layer, Cloud>();
  private readonly at: Record<"view" | "size" | "palette" | "ring", WebGLUniformLocation | null>;
  private chosen: { buffer: WebGLBuffer; count: number };
  private highlight = new Float32Array(4 * GROUPS);
  private view: View = { x: 0, y: 0, scale: 1 };
  private size: Size = { width: 1, height: 1 };
  private ratio = 1;
  /** The slice to draw next; when all are drawn the picture is whole. */
  private slice = 0;
  private readonly pace = new Pace();
  private asked = 0;
  private last = 0;
  private moved = false;
  private gone = false;

  /** Throws where the browser has no WebGL 2. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser has no WebGL 2.");
    this.gl = gl;
    this.program = program(gl);
    const place = (name: string) => gl.getUniformLocation(this.program, name);
    this.at = { view: place("view"), size: place("size"), palette: place("palette"), ring: place("ring") };
    this.chosen = { buffer: gl.createBuffer(), count: 0 };
  }

  /** Replace the points of a layer. Cells without a place (NaN) stay invisible. */
  place(layer: Layer, x: Float32Array, y: Float32Array, group: Uint8Array, size: number): void {
    const { gl } = this;
    const old = this.clouds.get(layer);
    const cloud = old ?? {
      count: 0,
      size,
      x: gl.createBuffer(),
      y: gl.createBuffer(),
      group: gl.createBuffer(),
      palette: new Float32Array(4 * GROUPS),
    };
    cloud.count = x.length;
    cloud.size = size;
    for (const [buffer, data] of [
      [cloud.x, x],
      [cloud.y, y],
      [cloud.group, group],
    ] as const) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    }
    this.clouds.set(layer, cloud);
    if (layer === "project") this.pace.begin(cloud.count);
    this.draw();
  }

  /** Give the points of a layer other groups, in place. */
  regroup(layer: Layer, group: Uint8Array): void {
    const cloud = this.clouds.get(layer);
    if (!cloud) return;
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, cloud.group);
    gl.bufferData(gl.ARRAY_BUFFER, group, gl.STATIC_DRAW);
    this.draw();
  }

  /** Colours of a layer's groups: red, green, blue, opacity (0 to 1) of each; opacity 0 hides the group. */
  paint(layer: Layer, palette: Float32Array): void {
    const cloud = this.clouds.get(layer);
    if (!cloud) return;
    cloud.palette = palette;
    this.draw();
  }

  /** Ring the chosen ones among the project's points. */
  choose(indices: Uint32Array, ink: [number, number, number]): void {
    const { gl } = this;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.chosen.buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.DYNAMIC_DRAW);
    this.chosen.count = indices.length;
    for (let g = 0; g < GROUPS; g++) this.highlight.set([...ink, 1], 4 * g);
    this.draw();
  }

  resize(size: Size, ratio: number): void {
    this.size = size;
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(size.width * ratio));
    this.canvas.height = Math.max(1, Math.round(size.height * ratio));
    this.draw();
  }

  look(view: View): void {
    this.view = view;
    this.moved = true;
    this.draw();
  }

  /** Draw anew, from the first slice. */
  draw(): void {
    this.slice = 0;
    this.ask();
  }

  dispose(): void {
    this.gone = true;
    cancelAnimationFrame(this.asked);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private ask(): void {
    if (this.asked || this.gone) return;
    this.asked = requestAnimationFrame((now) => {
      this.asked = 0;
      this.frame(now);
    });
  }

  private frame(now: number): void {
    const interval = now - this.last;
    this.last = now;
    if (this.slice === 0) {
      // The number of slices changes between pictures only: within one, the slices must add up to all points.
      if (this.moved) this.pace.took(interval);
      this.moved = false;
      this.begin();
    }
    const { slices } = this.pace;
    const project = this.clouds.get("project");
    if (project) this.points(project, this.slice, slices);
    this.slice += 1;
    // The rings lie over whatever the slice has put there.
    if (project) this.rings(project);
    if (this.slice < slices) this.ask();
  }

  private begin(): void {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform4f(
      this.at.view,
      this.view.x,
      this.view.y,
      (2 * this.view.scale) / this.size.width,
      (2 * this.view.scale) / this.size.height,
    );
    const reference = this.clouds.get("reference");
    if (reference) this.points(reference, 0, Math.min(MOST_SLICES, Math.max(1, Math.ceil(reference.count / 200_000))));
  }

  private points(cloud: Cloud, slice: number, slices: number): void {
    const { gl } = this;
    const count = Math.ceil((cloud.count - slice) / slices);
    if (count <= 0) return;
    this.bind(cloud, slice, slices);
    gl.uniform1f(this.at.ring, -1);
    gl.uniform1f(this.at.size, cloud.size * this.ratio);
    gl.uniform4fv(this.at.palette, cloud.palette);
    gl.drawArrays(gl.POINTS, 0, count);
  }

  private rings(cloud: Cloud): void {
    if (!this.chosen.count) return;
    const { gl } = this;
    this.bind(cloud, 0, 1);
    gl.uniform1f(this.at.ring, 0.62);
    gl.uniform1f(this.at.size, (cloud.size + 5) * this.ratio);
    gl.uniform4fv(this.at.palette, this.highlight);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.chosen.buffer);
    gl.drawElements(gl.POINTS, Math.min(this.chosen.count, 50_000), gl.UNSIGNED_INT, 0);
  }

  private bind(cloud: Cloud, slice: number, slices: number): void {
    const { gl } = this;
    const read = (name: string, buffer: WebGLBuffer, type: number, bytes: number) => {
      const at = gl.getAttribLocation(this.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, 1, type, false, bytes * slices, bytes * slice);
    };
    read("x", cloud.x, gl.FLOAT, 4);
    read("y", cloud.y, gl.FLOAT, 4);
    read("group", cloud.group, gl.UNSIGNED_BYTE, 1);
  }
}

function program(gl: WebGL2RenderingContext): WebGLProgram {
  const made = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The map cannot be drawn: ${gl.getProgramInfoLog(made)}`);
  }
  return made;
}
