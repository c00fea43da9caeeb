import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import { useSession } from "../api/queries";
import type { ProjectShown as Project } from "../api/schema";
import { memoryOf } from "./memory";
import { serviceOf } from "./service";
import type { ProjectState } from "./state";
import { ProjectStore } from "./store";

interface ProjectContext {
  project: Project;
  store: ProjectStore;
}

const Context = createContext<ProjectContext | null>(null);

/** Holds the store of one project for all of its screens. */
export function ProjectProvider({ project, children }: { project: Project; children: ReactNode }) {
  const user = useSession().data?.user?.id ?? 0;
  const store = useMemo(
    () => new ProjectStore(serviceOf(project.id), undefined, undefined, undefined, memoryOf(user, project.id)),
    [project.id, user],
  );
  useEffect(() => store.start(), [store]);
  const value = useMemo(() => ({ project, store }), [project, store]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** The project of this screen and its store. */
export function useProjectContext(): ProjectContext {
  const value = useContext(Context);
  if (!value) throw new Error("This screen belongs within a project.");
  return value;
}

/** A part of the project's state; the screen is drawn again when that part changes. `pick` must be stable: equal states, same object. */
export function useProjectState<T>(pick: (state: ProjectState) => T): T {
  const { store } = useProjectContext();
  return useSyncExternalStore(store.subscribe, () => pick(store.snapshot()));
}
