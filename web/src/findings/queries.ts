/** What the report of a case says besides counts, and what a project's reports have in common. */

import { useMutation, useMutationState, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body, ServiceFault } from "../api/client";
import { names } from "../api/queries";
import type { Findings } from "../api/schema";
import { useProjectContext } from "../project/context";
import { changed } from "./words";

const nameOf = (project: number, ofCase: number | null) => [...names.findings(project), ofCase] as const;

/**
 * The findings of a case as they are now; nothing for all cells, and for those without a case. The project's events make
 * them old (`projects/Frame.tsx`); what was known stays where the newer could not be loaded, and `isError` says so.
 */
export function useFindings(ofCase: number | null) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const queryKey = nameOf(project.id, ofCase);
  return useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      const answer = await body(
        api.GET("/projects/{project}/cases/{case}/findings", {
          params: { path: { project: project.id, case: ofCase! } },
          signal,
        }),
      );
      // A change that was stored meanwhile is newer than an answer which set out before it.
      const held = queries.getQueryData<Findings>(queryKey);
      return held && held.version > answer.version ? held : answer;
    },
    enabled: Boolean(ofCase),
  });
}

/** A change, made of the findings as they are when its turn comes: two in a row never undo one another. */
export type Change = (now: Findings) => {
  remark?: string;
  /** The remark that a new one was written over. */
  over?: string;
  grades?: Findings["grades"];
  platelets?: Findings["platelets"];
  add?: number[];
  remove?: number[];
};

/** Changes the findings of a case: at once on the screen, one after another at the service. */
export function useFindingsChange(ofCase: number | null) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const queryKey = nameOf(project.id, ofCase);
  const newest = () =>
    queries
      .getQueriesData<Findings>({ queryKey })
      .map(([, data]) => data)
      .reduce((one, other) => ((other?.version ?? -1) >= (one?.version ?? -1) ? other : one), undefined);
  const params = { path: { project: project.id, case: ofCase! } };
  const send = ({ add, remove, platelets, over: _, ...fields }: ReturnType<Change>, version: number) =>
    body(
      api.PATCH("/projects/{project}/cases/{case}/findings", {
        params,
        body: {
          ...fields,
          ...(platelets === undefined ? {} : { platelets: platelets ?? "none" }),
          // Choosing cells undoes nothing of others, so it answers no version.
          version: Object.keys(fields).length || platelets !== undefined ? version : null,
          add_cells: add ?? [],
          remove_cells: remove ?? [],
        },
      }),
    );
  return useMutation({
    mutationKey: queryKey,
    scope: { id: queryKey.join() },
    onMutate: (change: Change) =>
      queries.setQueriesData<Findings>({ queryKey }, (now) => now && changed(now, change(now))),
    mutationFn: async (change: Change) => {
      const now = newest();
      if (!now) throw new Error("The findings of this case are not loaded yet.");
      try {
        return await send(change(now), now.version);
      } catch (fault) {
        // What the screen held was not the newest. A grade or an estimate joins what stands; a remark may replace only
        // the one that it was written over.
        if (!(fault instanceof ServiceFault) || fault.status !== 409) throw fault;
        const stands = await body(api.GET("/projects/{project}/cases/{case}/findings", { params }));
        const { remark, over } = change(now);
        if (remark !== undefined && over !== stands.remark) throw fault;
        return send(change(stands), stands.version);
      }
    },
    onSuccess: (made, done) => {
      // What waits for its turn is put upon what was stored, not upon what the screen held: that may be an answer which
      // set out before this change, and would carry its version without having it.
      const waiting = queries
        .getMutationCache()
        .findAll({ status: "pending", predicate: ({ options }) => options.scope?.id === queryKey.join() })
        .map(({ state }) => state.variables as Change)
        .filter((change) => change !== done);
      const now = waiting.reduce((before, change) => changed(before, change(before)), made);
      queries.setQueriesData<Findings>({ queryKey }, (before) => before && now);
    },
    onError: () => queries.invalidateQueries({ queryKey }),
  });
}

/**
 * How far changes of a case's findings are, made on whichever screen: "pending" while the page shows one that is not
 * stored, "error" where the last one was refused; nothing where there was none.
 */
export function useFindingsSaving(ofCase: number | null): "idle" | "pending" | "success" | "error" | undefined {
  const { project } = useProjectContext();
  const states = useMutationState({
    filters: { mutationKey: nameOf(project.id, ofCase) },
    select: ({ state }) => state.status,
  });
  return states.includes("pending") ? "pending" : states.at(-1);
}

/** Laboratory, zone, reference ranges and text blocks of a project's reports. */
export function useReportSettings() {
  const { project } = useProjectContext();
  return useQuery({
    queryKey: names.reportSettings(project.id),
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/report-settings", { params: { path: { project: project.id } }, signal })),
  });
}
