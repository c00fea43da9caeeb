/** Keys of the dialog: heard before the table behind it, which has the same keys for its own cells. */

import { useLayoutEffect, useRef } from "react";
import { latin } from "../gallery/keys";

/** `handle` says whether the key was meant for it; a field that is typed or chosen in keeps its keys. */
export function useKeys(handle: (key: string, event: KeyboardEvent) => boolean): void {
  const now = useRef(handle);
  // As the cell is drawn, not after: a key that comes between would be the answer to the cell before.
  useLayoutEffect(() => {
    now.current = handle;
  });
  useLayoutEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.matches("input, select, textarea")) return;
      if (!now.current(latin(event).toLowerCase(), event)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    window.addEventListener("keydown", listen, true);
    return () => window.removeEventListener("keydown", listen, true);
  }, []);
}
