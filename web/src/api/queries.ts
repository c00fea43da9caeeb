/** What several screens ask for, under one name each, so that they share the answer. */

import { useQuery } from "@tanstack/react-query";
import { get, keepCsrf } from "./client";
import type { Case, LabelSet, List, Member, Project, ProjectListed, Session } from "./types";

export const names = {
  session: ["session"] as const,
  projects: ["projects"] as const,
  project: (project: number) => ["projects", project] as const,
  cases: (project: number) => ["projects", project, "cases"] as const,
  members: (project: number) => ["projects", project, "members"] as const,
  labelSets: (project: number) => ["projects", project, "label-sets"] as const,
};

export async function readSession(): Promise<Session> {
  const session = await get<Session>("/session");
  keepCsrf(session.csrf);
  return session;
}

export const useSession = () => useQuery({ queryKey: names.session, queryFn: readSession, staleTime: 60_000 });

export const useProjects = () =>
  useQuery({ queryKey: names.projects, queryFn: ({ signal }) => get<List<ProjectListed>>("/projects", {}, signal) });

export const useProject = (project: number) =>
  useQuery({
    queryKey: names.project(project),
    queryFn: ({ signal }) => get<Project>(`/projects/${project}`, {}, signal),
  });

export const useCases = (project: number) =>
  useQuery({
    queryKey: names.cases(project),
    queryFn: async ({ signal }) => (await get<List<Case>>(`/projects/${project}/cases`, {}, signal)).items,
  });

export const useMembers = (project: number) =>
  useQuery({
    queryKey: names.members(project),
    queryFn: async ({ signal }) => (await get<List<Member>>(`/projects/${project}/members`, {}, signal)).items,
  });

export const useLabelSets = (project: number) =>
  useQuery({
    queryKey: names.labelSets(project),
    queryFn: async ({ signal }) => {
      const sets = (await get<List<LabelSet>>(`/projects/${project}/label-sets`, {}, signal)).items;
      return sets.map((set) => ({ ...set, title: worded(set.title) }));
    },
  });

/** A name as a reader writes it: "nucleus_shape" is "Nucleus shape". Titles that people gave are left alone. */
export function worded(title: string): string {
  return /^[a-z][a-z0-9_]*$/.test(title) ? title.charAt(0).toUpperCase() + title.slice(1).replaceAll("_", " ") : title;
}
