/** The project that this tab had open last: pages outside of a project, such as the help, speak of that one. */

const NAME = "hemosight.project";

export function keepProject(project: number): void {
  try {
    sessionStorage.setItem(NAME, String(project));
  } catch {
    // No storage: those pages ask which project is meant.
  }
}

export function lastProject(): number | null {
  try {
    return Number(sessionStorage.getItem(NAME)) || null;
  } catch {
    return null;
  }
}
