/** What several screens ask for, under one name each, so that they share the answer. */

import { useQuery } from "@tanstack/react-query";
import { api, body, keepCsrf } from "./client";
import type { SessionShown } from "./schema";

export const names = {
  session: ["session"] as const,
  users: ["users"] as const,
  projects: ["projects"] as const,
  project: (project: number) => ["projects", project] as const,
  cases: (project: number) => ["projects", project, "cases"] as const,
  bundle: (project: number) => ["projects", project, "bundle"] as const,
  /** How cases are signed, with the checks that a count answers or without: each is made old by events of its own. */
  signing: (project: number, checks: boolean) => ["projects", project, "signing", checks] as const,
  findings: (project: number) => ["projects", project, "findings"] as const,
  reportSettings: (project: number) => ["projects", project, "report-settings"] as const,
  signingRules: (project: number) => ["projects", project, "signing-rules"] as const,
  models: ["models"] as const,
  members: (project: number) => ["projects", project, "members"] as const,
  labelSets: (project: number) => ["projects", project, "label-sets"] as const,
  offeredTypes: (project: number, set: number) => ["projects", project, "label-sets", set, "offered"] as const,
  typeHistory: (project: number, set: number) => ["projects", project, "label-sets", set, "history"] as const,
};

/** All entries of a list that the service gives in pages. */
export async function every<T>(
  page: (place: { after: number; limit: number }) => Promise<{ items: T[]; next?: number | null }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const found: { items: T[]; next?: number | null } = await page({ after, limit: 500 });
    all.push(...found.items);
    after = found.next ?? null;
  }
  return all;
}

export async function readSession(): Promise<SessionShown> {
  const session = await body(api.GET("/session"));
  keepCsrf(session.csrf);
  return session;
}

export const useSession = () => useQuery({ queryKey: names.session, queryFn: readSession, staleTime: 60_000 });

/** Every account; only administrators of the service may ask. */
export const useUsers = (enabled = true) =>
  useQuery({
    queryKey: names.users,
    queryFn: ({ signal }) => every((query) => body(api.GET("/users", { params: { query }, signal }))),
    enabled,
  });

export const useProjects = () =>
  useQuery({
    queryKey: names.projects,
    queryFn: ({ signal }) => every((query) => body(api.GET("/projects", { params: { query }, signal }))),
  });

export const useProject = (project: number) =>
  useQuery({
    queryKey: names.project(project),
    queryFn: ({ signal }) => body(api.GET("/projects/{project}", { params: { path: { project } }, signal })),
  });

/** The worklist: every case, page after page. */
export const useCases = (project: number, enabled = true) =>
  useQuery({
    queryKey: names.cases(project),
    queryFn: ({ signal }) =>
      every((query) => body(api.GET("/projects/{project}/cases", { params: { path: { project }, query }, signal }))),
    enabled,
    placeholderData: (before) => before,
  });

export const useMembers = (project: number, enabled = true) =>
  useQuery({
    queryKey: names.members(project),
    queryFn: async ({ signal }) =>
      (await body(api.GET("/projects/{project}/members", { params: { path: { project } }, signal }))).items,
    enabled,
  });

/** How members of a project are called, by their account's number; who is none is called as `otherwise` says. */
export function useMemberNames(project: number | undefined): (user: number, otherwise?: string) => string {
  const members = useMembers(project ?? 0, project !== undefined);
  return (user, otherwise) => {
    const found = members.data?.find((member) => member.user.id === user)?.user;
    return found?.display || found?.name || otherwise || `person ${user}`;
  };
}

export const useLabelSets = (project: number, enabled = true) =>
  useQuery({
    queryKey: names.labelSets(project),
    queryFn: async ({ signal }) => {
      const answer = await body(api.GET("/projects/{project}/label-sets", { params: { path: { project } }, signal }));
      return answer.items.map((set) => ({ ...set, title: worded(set.title) }));
    },
    enabled,
  });

/** A name as a reader writes it: "nucleus_shape" is "Nucleus shape". Titles that people gave are left alone. */
export function worded(title: string): string {
  return /^[a-z][a-z0-9_]*$/.test(title) ? title.charAt(0).toUpperCase() + title.slice(1).replaceAll("_", " ") : title;
}
