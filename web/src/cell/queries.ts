/** What the panels of a cell ask the service. */

import { useQuery } from "@tanstack/react-query";
import { api, body } from "../api/client";
import type { ImageShown as ImageDetail } from "../api/schema";

/** A cell's labels, comments and readings; asked anew when what has happened `since` is something else. */
export const useImage = (project: number, image: number | null, since: string) =>
  useQuery<ImageDetail>({
    queryKey: ["projects", project, "images", image, since],
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/images/{image}", { params: { path: { project, image: image! } }, signal })),
    enabled: image !== null,
    // The same cell after a newer event: show the old bars until the new ones are there.
    placeholderData: (last) => (last?.id === image ? last : undefined),
  });

/** The twelve cells of the project that are nearest to it. */
export const useNeighbours = (project: number, image: number | null) =>
  useQuery({
    queryKey: ["projects", project, "images", image, "neighbours"],
    queryFn: async ({ signal }) =>
      (
        await body(
          api.GET("/projects/{project}/images/{image}/neighbours", {
            params: { path: { project, image: image! }, query: { k: 12, among: "project" } },
            signal,
          }),
        )
      ).items,
    enabled: image !== null,
    staleTime: 60_000,
  });

/** Of known cells six are shown: three rows in the panel. */
const KNOWN = 6;

/** The known cells nearest to a cell; asked anew when what has happened `since` is something else. */
export const useKnown = (project: number, image: number | null, since: string) =>
  useQuery({
    queryKey: ["projects", project, "images", image, "known", since],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/images/{image}/known", {
          params: { path: { project, image: image! }, query: { k: KNOWN } },
          signal,
        }),
      ),
    enabled: image !== null,
    staleTime: 60_000,
    // The same cell after a label: its known cells stay until the new ones are there.
    placeholderData: (last, query) => (query?.queryKey[3] === image ? last : undefined),
  });
