/** How the case in hand is signed, and what is checked before. */

import { useQuery } from "@tanstack/react-query";
import { api, body } from "../api/client";
import { useProjectContext, useProjectState } from "../project/context";
import type { EventKind } from "../project/service";

/** Events after which a case is signed otherwise, and after which its checks have other numbers. */
const SIGNED: EventKind[] = ["signature", "case", "settings", "missed"];
const COUNTED: EventKind[] = [...SIGNED, "labels", "taught", "readings", "images"];

/**
 * How a case stands; null for all cells and for those without a case, which are never signed. Counting a case takes the
 * service some time: only a screen that shows the checks asks again with every label.
 */
export function useSigning(ofCase: number | null, checks = true) {
  const { project } = useProjectContext();
  const kinds = checks ? COUNTED : SIGNED;
  const changes = useProjectState(({ events }) => kinds.map((kind) => events[kind] ?? 0).join());
  return useQuery({
    queryKey: ["projects", project.id, "signing", ofCase, checks, changes],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/cases/{case}/signing", {
          params: { path: { project: project.id, case: ofCase! } },
          signal,
        }),
      ),
    enabled: Boolean(ofCase),
    placeholderData: (before) => (before?.case === ofCase ? before : undefined),
  });
}
