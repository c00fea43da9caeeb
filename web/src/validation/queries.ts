/** Control charts of a project's scanners. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "../api/client";
import { save } from "../api/download";
import type { DossierShown, NewDriftAnswer } from "../api/schema";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";

const key = (project: number) => ["projects", project, "drift"] as const;

/** The charts of every scanner; asked for anew when a case is signed or a flag is answered. */
export function useDrift() {
  const { project } = useProjectContext();
  const change = useFollowed("drift");
  return useQuery({
    queryKey: [...key(project.id), change],
    queryFn: async ({ signal }) =>
      (await body(api.GET("/projects/{project}/drift", { params: { path: { project: project.id } }, signal }))).items,
    placeholderData: (before) => before,
  });
}

/** Say what became of a scanner's flags. */
export function useAnswer(profile: number) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (given: NewDriftAnswer) =>
      body(
        api.POST("/projects/{project}/profiles/{profile}/drift-answers", {
          params: { path: { project: project.id, profile } },
          body: given,
        }),
      ),
    // A refused one too: a case was signed meanwhile, which the charts do not show yet.
    onSettled: () => queries.invalidateQueries({ queryKey: key(project.id) }),
  });
}

const dossiersKey = (project: number) => ["projects", project, "dossiers"] as const;
/** Milliseconds between two looks while a dossier is being made. */
const SOON = 2000;
/** Dossiers that are shown before somebody asks for older ones. */
const TOGETHER = 20;

/** Whether a dossier waits or is being made. */
export const unfinished = (one?: DossierShown) => one?.state === "waiting" || one?.state === "running";

/** Dossiers of the project in pages, the newest first; looked at again while one is being made. */
export function useDossiers() {
  const { project } = useProjectContext();
  return useInfiniteQuery({
    queryKey: dossiersKey(project.id),
    queryFn: ({ pageParam, signal }) => {
      const params = { path: { project: project.id }, query: { after: pageParam, limit: TOGETHER } };
      return body(api.GET("/projects/{project}/dossiers", { params, signal }));
    },
    initialPageParam: 0,
    getNextPageParam: (page) => page.next,
    // One is made at a time, and it is the newest.
    refetchInterval: ({ state }) => (unfinished(state.data?.pages[0]?.items[0]) ? SOON : false),
  });
}

/** Ask for a dossier by its protocol. */
export function useMakeDossier() {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (protocol: string) =>
      body(api.POST("/projects/{project}/dossiers", { params: { path: { project: project.id } }, body: { protocol } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: dossiersKey(project.id) }),
  });
}

/** Call off a dossier that waits or is being made. */
export function useCallOffDossier(dossier: number) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () =>
      body(
        api.DELETE("/projects/{project}/dossiers/{dossier}", { params: { path: { project: project.id, dossier } } }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: dossiersKey(project.id) }),
  });
}

/** Take a dossier away, which is noted. */
export function useTakeDossier(dossier: number) {
  const { project } = useProjectContext();
  return useMutation({
    mutationFn: async (format: "pdf" | "zip") => {
      const params = { path: { project: project.id, dossier }, query: { format } };
      const answer = await api.POST("/projects/{project}/dossiers/{dossier}/export", { params, parseAs: "blob" });
      save(answer.data as unknown as Blob, `dossier-${dossier}.${format}`);
    },
  });
}
