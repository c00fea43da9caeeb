import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { api, body } from "../api/client";
import type { CaseFamiliarityShown } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";

/** The case that the address names; null for all cells. */
export function useCaseOfAddress(): number | null {
  const [params] = useSearchParams();
  return Number(params.get("case")) || null;
}

/** What the model knows of the scanner of the case in hand; of all cells, the first case that it does not know. */
export function useFamiliarity(chosen?: number | null): CaseFamiliarityShown | null {
  const { project } = useProjectContext();
  const address = useCaseOfAddress();
  const inHand = chosen === undefined ? address : chosen;
  const change = useFollowed("familiarity");
  const found = useQuery({
    queryKey: ["projects", project.id, "familiarity", change],
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/familiarity", { params: { path: { project: project.id } }, signal })),
    placeholderData: (before) => before,
  });
  const cases = found.data?.items ?? [];
  if (inHand !== null) return cases.find((one) => one.case === inHand) ?? null;
  return cases.find((one) => one.foreign) ?? cases[0] ?? null;
}

/** What was asked of a case, or of a scanner, and how well it is read now. */
export function useTrust(inHand: number | null, profile?: number) {
  const { project } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const change = useFollowed("familiarity");
  const found = useQuery({
    queryKey: ["projects", project.id, "trust", inHand, profile, labelSet, change],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/trust", {
          params: { path: { project: project.id }, query: { case: inHand ?? undefined, label_set: labelSet, profile } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
  return found.data ?? null;
}
