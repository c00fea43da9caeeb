/** How the case in hand is signed, and what is checked before. */

import { useQuery } from "@tanstack/react-query";
import { api, body } from "../api/client";
import { names } from "../api/queries";
import { useProjectContext } from "../project/context";

/**
 * How a case stands; null for all cells and for those without a case, which are never signed. Counting a case takes the
 * service some time: only a screen that shows the checks asks again with every label. The project's events make the answer
 * old (`projects/Frame.tsx`); the last one stays where the newer could not be loaded.
 */
export function useSigning(ofCase: number | null, checks = true) {
  const { project } = useProjectContext();
  return useQuery({
    queryKey: [...names.signing(project.id, checks), ofCase],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/cases/{case}/signing", {
          params: { path: { project: project.id, case: ofCase! } },
          signal,
        }),
      ),
    enabled: Boolean(ofCase),
  });
}
