/** Shared lists that a project's events make old. */

import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { type Followed, useFollowed } from "./follows";

/** Bursts of events ask for a list once, milliseconds. */
const TOGETHER = 400;

/**
 * Asks for what has this name anew after the events that make it old, once nobody is `busy` with it; and for what stands
 * below it, and at once, unless it is to be asked for `alone`.
 */
export function useStaled(what: Followed, name: QueryKey, alone = false, busy = false) {
  const queries = useQueryClient();
  const changes = useFollowed(what);
  const before = useRef<string | null>(alone ? changes : null);
  const key = JSON.stringify(name);
  useEffect(() => {
    if (busy || before.current === changes) return;
    const timer = setTimeout(() => {
      before.current = changes;
      void queries.invalidateQueries({ queryKey: JSON.parse(key), exact: alone });
    }, TOGETHER);
    return () => clearTimeout(timer);
  }, [changes, key, alone, busy, queries]);
}
