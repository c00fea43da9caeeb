/** Tags of the project: which there are, and which cells have them. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, body } from "../api/client";
import type { TagListed } from "../api/schema";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";

const NONE: readonly TagListed[] = [];

/** Every tag with its cells, in the order of the alphabet; asked anew when somebody changes one. */
export function useTags(): readonly TagListed[] {
  const { project } = useProjectContext();
  const changes = useFollowed("tags");
  const tags = useQuery({
    queryKey: ["projects", project.id, "tags", changes],
    queryFn: async ({ signal }) =>
      (await body(api.GET("/projects/{project}/tags", { params: { path: { project: project.id } }, signal }))).items,
    placeholderData: (last) => last,
  });
  return tags.data ?? NONE;
}

/** The tags of each cell that has any. */
export function useTagged(): ReadonlyMap<number, readonly string[]> {
  const tags = useTags();
  return useMemo(() => taggedOf(tags), [tags]);
}

export function taggedOf(tags: readonly TagListed[]): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const { name, images } of tags)
    for (const image of images) {
      const known = found.get(image);
      if (known) known.push(name);
      else found.set(image, [name]);
    }
  return found;
}

/** How many of these cells have a tag. */
export type Worn = "all" | "some" | "none";

export function worn(tag: TagListed, images: readonly number[]): Worn {
  const having = new Set(tag.images);
  const count = images.reduce((sum, image) => sum + (having.has(image) ? 1 : 0), 0);
  return count === 0 ? "none" : count === images.length ? "all" : "some";
}

/** What one press does: a tag that all of these cells have comes off; else it goes on those that lack it. */
export function toggled(tags: readonly TagListed[], name: string, images: readonly number[]): boolean {
  const known = tags.find((tag) => tag.name.toLowerCase() === name.toLowerCase());
  return !known || worn(known, images) !== "all";
}
