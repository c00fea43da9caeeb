/** A project's columns from the service. */

import { api } from "../api/client";
import { type Delivery, decode } from "./columns";

/** All columns, or with `since` (the `event` of an earlier answer) the rows that changed. */
export async function fetchColumns(
  project: number,
  query: { label_set?: string; since?: number },
  signal?: AbortSignal,
): Promise<Delivery> {
  const params = { path: { project }, query };
  const { data, response } = await api.GET("/projects/{project}/columns", { params, parseAs: "arrayBuffer", signal });
  return decode(data!, response.headers.get("ETag"));
}
