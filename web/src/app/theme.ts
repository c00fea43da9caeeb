import { useSyncExternalStore } from "react";
import { browserStorage } from "./storage";

export type Theme = "light" | "dark";

const NAME = "hemosight.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = browserStorage.getItem(NAME);
  if (chosen === "light" || chosen === "dark") return chosen;
  return system.matches ? "dark" : "light";
}

function apply(): void {
  document.documentElement.dataset.bsTheme = current();
  for (const listener of listeners) listener();
}

system.addEventListener("change", apply);
apply();

export function setTheme(theme: Theme): void {
  browserStorage.setItem(NAME, theme);
  apply();
}

/** The theme in force: what was chosen here, else what the system asks for. */
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
}
