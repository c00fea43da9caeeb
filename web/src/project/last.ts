/** The project that this tab had open last: pages outside of a project, such as the help, speak of that one. */

import { tabStorage } from "../app/storage";

const NAME = "hemosight.project";

export const keepProject = (project: number): void => tabStorage.setItem(NAME, String(project));

/** Null where there was none: those pages ask which project is meant. */
export const lastProject = (): number | null => Number(tabStorage.getItem(NAME)) || null;
