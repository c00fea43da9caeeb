/** What the screens of fields ask the service. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "../api/client";
import { every } from "../api/queries";
import type { FieldDetail } from "../api/schema";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";
import type { Place } from "./words";

const key = (project: number) => ["projects", project, "fields"] as const;

/** Whether the project has fields at all. */
export function useHasFields(): boolean {
  const { project } = useProjectContext();
  const images = useFollowed("fields");
  const first = useQuery({
    queryKey: [...key(project.id), "first", images],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/fields", {
          params: { path: { project: project.id }, query: { limit: 1 } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
  return (first.data?.items.length ?? 0) > 0;
}

/** The fields of a case, page after page. */
export function useFieldList(inHand: number | null) {
  const { project } = useProjectContext();
  const images = useFollowed("fields");
  return useQuery({
    queryKey: [...key(project.id), "of", inHand, images],
    queryFn: ({ signal }) =>
      every((page) => {
        const params = { path: { project: project.id }, query: { ...page, case: inHand ?? undefined } };
        return body(api.GET("/projects/{project}/fields", { params, signal }));
      }),
    placeholderData: (before) => before,
  });
}

/** A field with its cells. */
export function useField(field: number) {
  const { project } = useProjectContext();
  const images = useFollowed("fields");
  return useQuery<FieldDetail>({
    queryKey: [...key(project.id), field, images],
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/fields/{field}", { params: { path: { project: project.id, field } }, signal })),
    placeholderData: (before) => (before?.id === field ? before : undefined),
  });
}

/** What people say of the search in a field. */
export function useFieldActions(field: number) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const path = { project: project.id, field };
  const onSuccess = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: key(project.id) }),
      queries.invalidateQueries({ queryKey: ["projects", project.id, "profiles"] }),
    ]);
  return {
    add: useMutation({
      mutationFn: (at: Place) =>
        body(api.POST("/projects/{project}/fields/{field}/cells", { params: { path }, body: at })),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: (cell: number) =>
        body(api.DELETE("/projects/{project}/fields/{field}/cells/{cell}", { params: { path: { ...path, cell } } })),
      onSuccess,
    }),
    check: useMutation({
      mutationFn: (checked: boolean) =>
        body(api.PUT("/projects/{project}/fields/{field}/checked", { params: { path }, body: { checked } })),
      onSuccess,
    }),
  };
}
