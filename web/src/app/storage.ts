/** What this browser keeps for the page. Where its storage is shut or full, that is kept until the page is left. */

export type Kept = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A storage that never throws. It is looked up at each use: where it is shut, naming it throws as well. */
function forgiving(storage: () => Storage): Kept {
  /** What found no room, by name; newer than what the storage has. */
  const homeless = new Map<string, string>();
  const tried = <T>(act: () => T): T | null => {
    try {
      return act();
    } catch {
      return null;
    }
  };
  return {
    getItem: (name) => homeless.get(name) ?? tried(() => storage().getItem(name)),
    setItem: (name, text) => {
      homeless.set(name, text);
      tried(() => {
        storage().setItem(name, text);
        homeless.delete(name);
      });
    },
    removeItem: (name) => {
      homeless.delete(name);
      tried(() => storage().removeItem(name));
    },
  };
}

export const browserStorage = forgiving(() => localStorage);
export const tabStorage = forgiving(() => sessionStorage);
