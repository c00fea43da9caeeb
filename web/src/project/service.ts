/** What a project's store asks of the service. An interface, so that tests can stand in for it. */

import { address, fetchFrom, send } from "../api/client";
import type { LabelAnswer, LabelRequest } from "../api/types";
import { type Delivery, decode } from "../columns/columns";

export interface ProjectService {
  columns(labelSet: string, since: number | null): Promise<Delivery>;
  label(request: LabelRequest): Promise<LabelAnswer>;
  undo(request: string, facts: number[]): Promise<LabelAnswer>;
  /** Listen from an event on; gives what ends it. */
  listen(after: number | null, heard: (event: Heard) => void, line: (open: boolean) => void): () => void;
}

export interface Heard {
  id: number | null;
  kind: string;
  data: Record<string, unknown>;
}

export const KINDS = [
  "images",
  "readings",
  "labels",
  "taught",
  "comment",
  "label_set",
  "settings",
  "signature",
  "missed",
  "ping",
] as const;

export function serviceOf(project: number): ProjectService {
  const root = `/projects/${project}` as const;
  return {
    async columns(labelSet, since) {
      const response = await fetchFrom(address(`${root}/columns`, { label_set: labelSet, since }));
      return decode(await response.arrayBuffer(), response.headers.get("ETag"));
    },
    label: (request) => send("POST", `${root}/labels`, request),
    undo: (request, facts) => send("POST", `${root}/labels/undo`, { request, facts }),
    listen: (after, heard, line) => listening(address(`${root}/events`), after, heard, line),
  };
}

/** Longest wait before the line is tried again, milliseconds. */
const LONGEST = 15_000;
/** The service pings every 15 s; after this much silence the line is taken for dead. */
const SILENCE = 40_000;

/** Server-sent events that resume after the last one heard, however the line broke. */
export function listening(
  url: string,
  after: number | null,
  heard: (event: Heard) => void,
  line: (open: boolean) => void,
): () => void {
  let last = after;
  let source: EventSource | null = null;
  let wait = 500;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  const again = () => {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(timer);
    if (ended) return;
    line(false);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST);
  };
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(again, SILENCE);
  };
  const open = () => {
    source = new EventSource(last === null ? url : `${url}?after=${last}`);
    source.onopen = () => {
      wait = 500;
      alive();
      line(true);
    };
    // The browser would come back on its own from some breaks and not from others; one rule for all of them.
    source.onerror = again;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        alive();
        const id = event.lastEventId ? Number(event.lastEventId) : null;
        if (id !== null) last = id;
        if (kind === "ping") return;
        heard({ id, kind, data: event.data ? (JSON.parse(event.data) as Record<string, unknown>) : {} });
      });
    }
  };
  const now = () => {
    if (!source && !ended) {
      clearTimeout(timer);
      open();
    }
  };
  window.addEventListener("online", now);
  open();
  return () => {
    ended = true;
    window.removeEventListener("online", now);
    clearTimeout(timer);
    clearTimeout(silence);
    source?.close();
  };
}
