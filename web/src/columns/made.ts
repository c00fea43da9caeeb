/** Columns made up for tests and for the development server. */

import type { ClassShown as Mark } from "../api/schema";
import { type Columns, NONE, noColumns, PLAIN, READ, ROW_NAMES, ROWS } from "./columns";

export const MARKS: Mark[] = [
  { name: "neutrophil", title: "Neutrophil", key: "N", light: "#013d90", dark: "#198aec", ...PLAIN },
  { name: "lymphocyte", title: "Lymphocyte", key: "L", light: "#b174f6", dark: "#9a43a9", ...PLAIN },
  { name: "monocyte", title: "Monocyte", key: "M", light: "#3697af", dark: "#a7f0f8", ...PLAIN },
];

export interface Cell {
  id: number;
  predicted?: number;
  label?: number;
  probability?: number;
  margin?: number;
  novelty?: number;
  version?: number;
  status?: number;
  case?: number;
  asked?: number;
  outside?: number;
}

/** Columns that hold these cells. */
export function columnsOf(cells: Cell[], event = 0): Columns {
  const columns: Columns = { ...noColumns("cell_type"), classes: MARKS, noveltyLimit: 1, count: cells.length, event };
  columns.id = Float64Array.from(cells, (cell) => cell.id);
  columns.predicted = Uint8Array.from(cells, (cell) => cell.predicted ?? NONE);
  columns.label = Uint8Array.from(cells, (cell) => cell.label ?? NONE);
  columns.probability = Float32Array.from(cells, (cell) => cell.probability ?? 0.9);
  columns.margin = Float32Array.from(cells, (cell) => cell.margin ?? 0.8);
  columns.novelty = Float32Array.from(cells, (cell) => cell.novelty ?? 0.5);
  columns.x = new Float32Array(cells.length);
  columns.y = new Float32Array(cells.length);
  columns.case = Int32Array.from(cells, (cell) => cell.case ?? -1);
  columns.version = Float64Array.from(cells, (cell) => cell.version ?? 0);
  columns.status = Uint8Array.from(cells, (cell) => cell.status ?? READ);
  columns.labelled_by = new Int32Array(cells.length).fill(-1);
  columns.asked = Uint8Array.from(cells, (cell) => cell.asked ?? 1);
  columns.outside = Uint8Array.from(cells, (cell) => cell.outside ?? 0);
  return columns;
}

/** The container as the service sends it. */
export function packed(columns: Columns, extra: Record<string, unknown> = {}): ArrayBuffer {
  let offset = 0;
  const places = ROW_NAMES.map((name) => {
    const place = { name, dtype: ROWS[name], offset };
    offset += Math.ceil(columns[name].byteLength / 8) * 8;
    return place;
  });
  const header = new TextEncoder().encode(
    JSON.stringify({
      event: columns.event,
      taught_until: columns.taughtUntil,
      count: columns.count,
      label_set: columns.labelSet,
      title: columns.title,
      asked_of: columns.askedOf,
      classes: columns.classes,
      cases: columns.cases,
      novelty_limit: columns.noveltyLimit,
      columns: places,
      ...extra,
    }),
  );
  const start = Math.ceil((8 + header.length) / 8) * 8;
  const buffer = new ArrayBuffer(start + offset);
  const bytes = new Uint8Array(buffer);
  bytes.set(new TextEncoder().encode("HSC1"));
  new DataView(buffer).setUint32(4, header.length, true);
  bytes.set(header, 8);
  for (const place of places) {
    const column = columns[place.name];
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), start + place.offset);
  }
  return buffer;
}
