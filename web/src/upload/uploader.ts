/**
 * Sends files while the review goes on: what the service has already is skipped by its digest, the rest goes in
 * batches, and each file says what became of it.
 */

import { address, fetchFrom, ServiceFault, send } from "../api/client";
import { type Found, sha256 } from "./gather";
import type { Shelf } from "./shelf";

export type FileState = "waiting" | "sending" | "added" | "known" | "refused";

export interface Sent {
  name: string;
  state: FileState;
  reason: string | null;
}

export interface UploadState {
  files: readonly Sent[];
  counts: Record<FileState, number>;
  running: boolean;
  /** Why sending pauses, if it does. */
  fault: string | null;
}

export interface UploadService {
  begin(): Promise<number>;
  known(digests: string[]): Promise<Record<string, number>>;
  send(upload: number, batch: Found[]): Promise<{ name: string; state: string; reason: string | null }[]>;
  cancel(upload: number): Promise<void>;
}

export function uploadServiceOf(project: number, caseKey?: string): UploadService {
  const root = `/projects/${project}` as const;
  return {
    begin: async () => (await send<{ id: number }>("POST", `${root}/uploads`, caseKey ? { case: caseKey } : {})).id,
    known: async (sha256) => (await send<{ known: Record<string, number> }>("POST", `${root}/known`, { sha256 })).known,
    async send(upload, batch) {
      const form = new FormData();
      for (const { name, file } of batch) form.append("files", file, name);
      const response = await fetchFrom(address(`${root}/uploads/${upload}/files`), { method: "POST", body: form });
      return ((await response.json()) as { items: { name: string; state: string; reason: string | null }[] }).items;
    },
    cancel: (upload) => send("DELETE", `${root}/uploads/${upload}`),
  };
}

const BATCH = 16;
const BATCH_BYTES = 8e6;
const ASKED = 64;

const none = (): Record<FileState, number> => ({ waiting: 0, sending: 0, added: 0, known: 0, refused: 0 });

export class Uploader {
  private state: UploadState = { files: [], counts: none(), running: false, fault: null };
  private readonly listeners = new Set<() => void>();
  private queue: Found[] = [];
  private readonly index = new Map<string, number>();
  private upload: number | null = null;
  private stopped = false;

  constructor(
    private readonly project: number,
    private readonly service: UploadService,
    private readonly shelf: Shelf | null,
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {}

  readonly snapshot = (): UploadState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Go on with what a reload interrupted. */
  async resume(): Promise<void> {
    const waiting = await this.shelf?.waiting(this.project).catch(() => []);
    if (waiting?.length) await this.add(waiting, false);
  }

  /** Send these as well. Gives when there is nothing left to send. */
  async add(found: Found[], keep = true): Promise<void> {
    const fresh = found.filter(({ name }) => {
      const at = this.index.get(name);
      const state = at === undefined ? null : this.state.files[at]!.state;
      return state === null || state === "refused" || state === "added" || state === "known";
    });
    if (!fresh.length) return;
    if (keep) await this.shelf?.put(this.project, fresh).catch(() => undefined);
    this.mark(fresh.map(({ name }) => ({ name, state: "waiting", reason: null })));
    this.queue.push(...fresh);
    if (!this.state.running) await this.run();
  }

  /** Send no more; what has arrived stays. */
  async cancel(): Promise<void> {
    this.stopped = true;
    const left = this.queue.splice(0);
    this.mark(left.map(({ name }) => ({ name, state: "refused", reason: "cancelled" })));
    await this.shelf?.clear(this.project).catch(() => undefined);
    if (this.upload !== null) await this.service.cancel(this.upload).catch(() => undefined);
    this.upload = null;
  }

  private async run(): Promise<void> {
    this.stopped = false;
    this.set({ running: true, fault: null });
    try {
      while (this.queue.length) {
        const some = this.queue.splice(0, ASKED);
        const unknown = await this.unknown(some);
        for (const batch of batches(unknown)) {
          if (this.stopped) {
            this.mark(batch.map(({ name }) => ({ name, state: "refused", reason: "cancelled" })));
            continue;
          }
          await this.sendBatch(batch);
        }
      }
    } finally {
      this.set({ running: false });
    }
  }

  private async unknown(some: Found[]): Promise<Found[]> {
    const digests = await Promise.all(
      some.map(({ name, file }) => (name.toLowerCase().endsWith(".zip") ? null : sha256(file).catch(() => null))),
    );
    const asked = digests.filter((digest): digest is string => digest !== null);
    const known = asked.length ? await this.persist(() => this.service.known(asked)) : {};
    const there = some.filter((_, at) => digests[at] && known && known[digests[at]] !== undefined);
    if (there.length) {
      this.mark(there.map(({ name }) => ({ name, state: "known", reason: null })));
      await this.done(there);
    }
    return some.filter((found) => !there.includes(found));
  }

  private async sendBatch(batch: Found[]): Promise<void> {
    this.mark(batch.map(({ name }) => ({ name, state: "sending", reason: null })));
    try {
      this.upload ??= await this.persist(() => this.service.begin());
      const answer = await this.persist(() => this.service.send(this.upload!, batch));
      this.mark(answer.map(({ name, state, reason }) => ({ name, state: state as FileState, reason })));
      // Of a zip, the service names what lay inside; the zip itself has then arrived.
      this.mark(
        batch
          .filter(({ name }) => this.state.files[this.index.get(name)!]!.state === "sending")
          .map(({ name }) => ({ name, state: "added", reason: null })),
      );
    } catch (fault) {
      const reason = fault instanceof ServiceFault ? fault.fault.message : "It could not be read.";
      this.mark(batch.map(({ name }) => ({ name, state: "refused", reason })));
    }
    await this.done(batch);
  }

  private async done(found: Found[]): Promise<void> {
    await this.shelf
      ?.taken(
        this.project,
        found.map(({ name }) => name),
      )
      .catch(() => undefined);
  }

  /** Ask again while the line is broken or the service is busy. */
  private async persist<T>(ask: () => Promise<T>): Promise<T> {
    for (let wait = 500; ; wait = Math.min(2 * wait, 15_000)) {
      try {
        const answer = await ask();
        if (this.state.fault) this.set({ fault: null });
        return answer;
      } catch (fault) {
        const passing = fault instanceof ServiceFault && (fault.offline || fault.status >= 500 || fault.status === 429);
        if (!passing || this.stopped) throw fault;
        this.set({ fault: fault.fault.message });
        await this.pause(wait);
      }
    }
  }

  private mark(changes: Sent[]): void {
    if (!changes.length) return;
    const files = [...this.state.files];
    for (const change of changes) {
      const at = this.index.get(change.name);
      if (at === undefined) {
        this.index.set(change.name, files.length);
        files.push(change);
      } else files[at] = change;
    }
    const counts = none();
    for (const { state } of files) counts[state]++;
    this.set({ files, counts });
  }

  private set(change: Partial<UploadState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

/** Batches small enough that progress is seen and a lost one costs little. */
export function batches(found: Found[]): Found[][] {
  const result: Found[][] = [];
  let bytes = 0;
  for (const one of found) {
    const last = result.at(-1);
    if (!last || last.length >= BATCH || bytes + one.file.size > BATCH_BYTES) {
      result.push([one]);
      bytes = one.file.size;
    } else {
      last.push(one);
      bytes += one.file.size;
    }
  }
  return result;
}
