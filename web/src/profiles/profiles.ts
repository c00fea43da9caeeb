/** Scanner profiles of a project, and the one of a case. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "../api/client";
import type {
  NewProfile,
  ProfileCalibration,
  ProfileChange,
  ProfileShown,
  Profiles,
  ScaleMeasured,
} from "../api/schema";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";

const key = (project: number) => ["projects", project, "profiles"] as const;

/** Every profile; with a case, how much its cells look like those of each. */
export function useProfiles(inHand: number | null) {
  const { project } = useProjectContext();
  const change = useFollowed("profiles");
  return useQuery({
    queryKey: [...key(project.id), inHand, change],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/profiles", {
          params: { path: { project: project.id }, query: { case: inHand ?? undefined } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
}

/** What can be done to profiles; each asks for the list again. */
export function useProfileActions() {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const path = { project: project.id };
  const onSuccess = () => queries.invalidateQueries({ queryKey: key(project.id) });
  const of = (profile: number) => ({ path: { ...path, profile } });
  return {
    add: useMutation({
      mutationFn: (given: NewProfile) =>
        body(api.POST("/projects/{project}/profiles", { params: { path }, body: given })),
      onSuccess,
    }),
    change: useMutation({
      mutationFn: ({ profile, ...given }: Partial<ProfileChange> & { profile: number }) =>
        body(
          api.PATCH("/projects/{project}/profiles/{profile}", {
            params: of(profile),
            body: { scale_from: "person", ...given },
          }),
        ),
      onSuccess,
    }),
    merge: useMutation({
      mutationFn: ({ profile, into }: { profile: number; into: number }) =>
        body(api.POST("/projects/{project}/profiles/{profile}/merge", { params: of(profile), body: { into } })),
      onSuccess,
    }),
    measure: useMutation({
      mutationFn: ({ profile, inHand }: { profile: number; inHand?: number | null }) =>
        body(
          api.POST("/projects/{project}/profiles/{profile}/measure", {
            params: of(profile),
            body: { case: inHand ?? null },
          }),
        ),
      onSuccess,
    }),
    fit: useMutation({
      mutationFn: (profile: number) =>
        body(api.POST("/projects/{project}/profiles/{profile}/finder", { params: of(profile) })),
      onSuccess,
    }),
    choose: useMutation({
      mutationFn: ({ inHand, profile }: { inHand: number; profile: number }) =>
        body(
          api.PUT("/projects/{project}/cases/{case}/profile", {
            params: { path: { ...path, case: inHand } },
            body: { profile },
          }),
        ),
      onSuccess,
    }),
  };
}

/** The profile of a case. */
export function profileOf(found: Profiles | undefined): ProfileShown | undefined {
  return found?.items.find(({ id }) => id === found.of_case);
}

/** A factor as people read it. */
export const factor = (value: number): string => value.toFixed(2).replace(/\.?0+$/, "");

/** Whether the measurement says that the scale in use is wrong by more than can be chance. */
export function differs(scale: number, measured: ScaleMeasured | null): boolean {
  return measured?.factor != null && Math.abs(Math.log(measured.used / scale)) > 0.05;
}

/** What was measured, in a sentence. */
export function measuredWords(measured: ScaleMeasured | null): string {
  if (!measured) return "Its red cells have not been measured yet.";
  const crops = `${measured.crops} ${measured.crops === 1 ? "crop" : "crops"}`;
  if (measured.red_cell_px === null) return `The width of its red cells is unknown (${measured.reason}; ${crops}).`;
  const px = (value: number | null) => Math.round(value ?? 0);
  return (
    `Red cells are ${px(measured.red_cell_px)} px wide (95% interval ${px(measured.low)} to ${px(measured.high)}, ` +
    `${measured.cells} cells on ${crops}): scale ${factor(measured.used)}.`
  );
}

/** What a project's first scanner is called until the laboratory gives it a name. */
const UNNAMED = "Scanner 1";

/** A scanner on a report, by the name that the laboratory gave it. */
export function scannerWords(name: string): string {
  return name === UNNAMED ? "Scanner not named" : `Scanner: ${name}`;
}

/** What says how sure the readings of a scanner's cells may be. */
export function calibrationWords({ on, temperature }: ProfileCalibration): string {
  if (on === "bundle") return "Probabilities are as the bundle calibrated them; those of unfamiliar cells are lowered.";
  const by =
    temperature >= 1 ? `lowered (temperature ${temperature.toFixed(2)})` : `raised (${temperature.toFixed(2)})`;
  return `Probabilities are calibrated on its own labels: ${by} beside the bundle's.`;
}
