import { createContext, type ReactNode, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Project } from "../api/types";
import { serviceOf } from "./service";
import { type Desk, ProjectStore } from "./store";

interface Room {
  project: Project;
  store: ProjectStore;
}

const Context = createContext<Room | null>(null);

/** Holds the store of one project for all of its screens. */
export function ProjectRoom({ project, children }: { project: Project; children: ReactNode }) {
  const store = useMemo(() => new ProjectStore(serviceOf(project.id)), [project.id]);
  useEffect(() => store.start(), [store]);
  const room = useMemo(() => ({ project, store }), [project, store]);
  return <Context.Provider value={room}>{children}</Context.Provider>;
}

/** The project of this screen and its store. */
export function useRoom(): Room {
  const room = useContext(Context);
  if (!room) throw new Error("This screen belongs within a project.");
  return room;
}

/** A part of the desk; the screen is drawn again when that part changes. `pick` gives the same thing for the same desk. */
export function useDesk<T>(pick: (desk: Desk) => T): T {
  const { store } = useRoom();
  return useSyncExternalStore(store.subscribe, () => pick(store.snapshot()));
}
