/** What a project's store asks of the service. An interface, so that tests can stand in for it. */

import { address, api, body } from "../api/client";
import type { LabelAnswer, LiveEvent, NewLabels, NewTags, TagsChanged } from "../api/schema";
import type { Delivery } from "../columns/columns";
import { fetchColumns } from "../columns/fetch";

export interface ProjectService {
  columns(labelSet: string, since: number | null): Promise<Delivery>;
  label(request: NewLabels): Promise<LabelAnswer>;
  undo(request: string, labels: number[]): Promise<LabelAnswer>;
  tag(request: NewTags): Promise<TagsChanged>;
  /** Listen from an event on; returns what ends it. */
  listen(after: number | null, onEvent: OnEvent, onConnection: (open: boolean) => void): () => void;
}

/** `id` is where to resume after this event; null where it has no place in the stream. */
export type OnEvent = (event: LiveEvent, id: number | null) => void;
export type EventKind = LiveEvent["kind"];

/** Every kind of event. The type checker holds it complete. */
const KINDS = Object.keys({
  images: 0,
  case: 0,
  profile: 0,
  project_deleted: 0,
  readings: 0,
  labels: 0,
  taught: 0,
  comment: 0,
  teaching: 0,
  tags: 0,
  label_set: 0,
  settings: 0,
  signature: 0,
  missed: 0,
  ping: 0,
} satisfies Record<EventKind, 0>) as EventKind[];

export function serviceOf(project: number): ProjectService {
  const params = { path: { project } };
  return {
    columns: (labelSet, since) => fetchColumns(project, { label_set: labelSet, since: since ?? undefined }),
    label: (request) => body(api.POST("/projects/{project}/labels", { params, body: request })),
    undo: (request, labels) => body(api.POST("/projects/{project}/labels/undo", { params, body: { request, labels } })),
    tag: (request) => body(api.POST("/projects/{project}/tags", { params, body: request })),
    listen: (after, onEvent, onConnection) =>
      listening(address(`/projects/${project}/events`), after, onEvent, onConnection),
  };
}

/** Longest wait before the line is tried again, milliseconds. */
const LONGEST = 15_000;
/** The service pings every 15 s; after this much silence the line is taken for dead. */
const SILENCE = 40_000;

/** Server-sent events that resume after the last one received, however the connection broke. */
export function listening(
  url: string,
  after: number | null,
  onEvent: OnEvent,
  onConnection: (open: boolean) => void,
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
    onConnection(false);
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
      onConnection(true);
    };
    // The browser would come back on its own from some breaks and not from others; one rule for all of them.
    source.onerror = again;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        alive();
        const id = event.lastEventId ? Number(event.lastEventId) : null;
        if (id !== null) last = id;
        if (kind === "ping") return;
        onEvent(JSON.parse(event.data) as LiveEvent, id);
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
