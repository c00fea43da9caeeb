/** The bundle's own cells on the map: where they lie, their types, attributes and sources. They have no pictures. */

import { useQuery } from "@tanstack/react-query";
import { api, body } from "../api/client";
import type { ClassShown as Mark } from "../api/schema";
import { PLAIN, unpack } from "../columns/columns";
import { byClass, type Grouping, letterOf, type Scheme } from "./grouping";

export interface Reference {
  x: Float32Array;
  y: Float32Array;
  /** Codes by name: `cell_type`, `source`, and attributes. */
  codes: Record<string, Uint8Array>;
  classes: Record<string, Mark[]>;
}

const GREYS = { light: "#868c94", dark: "#7a818a" };
const SOURCES = [
  { light: "#3b5bdb", dark: "#6f8bf5" },
  { light: "#a63c06", dark: "#ff9b54" },
  { light: "#328268", dark: "#51e4ad" },
  { light: "#6f4bd4", dark: "#b6b1f1" },
];

function sourceMark(name: string, title: string, index: number): Mark {
  return { name, title, key: letterOf(index), ...SOURCES[index % SOURCES.length]!, ...PLAIN };
}

/** Read the service's container. */
export function decodeReference(buffer: ArrayBuffer): Reference {
  const { header, arrays } = unpack(buffer);
  const { x, y, ...codes } = arrays;
  const sources = (header.sources ?? []) as string[];
  const laboratories = (header.laboratories ?? sources) as string[];
  const source = sources.map((name, index) => sourceMark(name, laboratories[index] ?? name, index));
  const classes = { ...(header.sets as Record<string, Mark[]>), source };
  return { x: x as Float32Array, y: y as Float32Array, codes: codes as Record<string, Uint8Array>, classes };
}

/** The reference never moves: fetched once for a bundle. A bundle may have no map: that is not asked for again. */
export const useReference = () =>
  useQuery({
    queryKey: ["model", "landscape"],
    queryFn: async ({ signal }) =>
      decodeReference(await body(api.GET("/model/landscape", { parseAs: "arrayBuffer", signal }))),
    staleTime: Number.POSITIVE_INFINITY,
    retryOnMount: false,
  });

/** The reference in the groups that go with a scheme of the project's cells; grey where it has nothing to say. */
export function referenceGrouping(reference: Reference, scheme: Scheme): Grouping {
  const name = scheme === "source" ? "source" : scheme.startsWith("set:") ? scheme.slice(4) : "cell_type";
  const codes = reference.codes[name];
  const known = scheme !== "confidence" && scheme !== "novelty" && codes;
  if (known) return byClass(known, reference.classes[name] ?? [], () => true, "Not said");
  const group = { title: "Reference", letter: "\u00b7", ...GREYS, count: reference.x.length, faint: true };
  return { groups: [group], of: new Uint8Array(reference.x.length) };
}
