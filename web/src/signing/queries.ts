/** How the case in hand is signed, and what is checked before. */

import { useQuery } from "@tanstack/react-query";
import { api, body } from "../api/client";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";

/**
 * How a case stands; null for all cells and for those without a case, which are never signed. Counting a case takes the
 * service some time: only a screen that shows the checks asks again with every label.
 */
export function useSigning(ofCase: number | null, checks = true) {
  const { project } = useProjectContext();
  const changes = useFollowed(checks ? "signingChecks" : "signing");
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
