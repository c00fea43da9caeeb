/**
 * Sends files while the review goes on: what the service has already is skipped by its digest, the rest goes in
 * batches, and each file says what became of it. Files of one case, scanner and depth go in an upload of their own.
 */

import { api, body, ServiceFault } from "../api/client";
import type { FileOutcome, NewUpload } from "../api/schema";
import { isPassing } from "../project/sender";
import { type Found, keyOf, sha256 } from "./gather";
import type { WaitingFiles } from "./waiting";

export type FileState = "waiting" | "sending" | "added" | "known" | "refused";

export interface Sent {
  name: string;
  /** The case it was added to. */
  case: string | null;
  state: FileState;
  reason: string | null;
}

export interface UploadState {
  files: readonly Sent[];
  counts: Record<FileState, number>;
  running: boolean;
  /** Why sending pauses, if it does. */
  fault: string | null;
  /** The case of what is dropped or chosen next, as typed. */
  caseKey: string;
  /** The scanner of a case that is new; null leaves it to be proposed. */
  profile: number | null;
  /** Bits that hold the values of deep samples, where files do not say; null leaves it to the files. */
  bits: number | null;
}

export interface UploadService {
  begin(given: NewUpload): Promise<number>;
  known(digests: string[]): Promise<Record<string, number>>;
  send(upload: number, batch: Found[]): Promise<FileOutcome[]>;
  cancel(upload: number): Promise<void>;
}

/** A new upload; gives its number. */
export async function beginUpload(project: number, given: NewUpload): Promise<number> {
  return (await body(api.POST("/projects/{project}/uploads", { params: { path: { project } }, body: given }))).id;
}

export function uploadServiceOf(project: number): UploadService {
  const params = { path: { project } };
  return {
    begin: (given) => beginUpload(project, given),
    known: async (sha256) => (await body(api.POST("/projects/{project}/known", { params, body: { sha256 } }))).known,
    async send(upload, batch) {
      const form = new FormData();
      for (const { name, file } of batch) form.append("files", file, name);
      const answer = api.POST("/projects/{project}/uploads/{upload}/files", {
        params: { path: { project, upload } },
        body: { files: batch.map(({ name }) => name) },
        // The description has a file as a string; what is sent is the form with the files themselves.
        bodySerializer: () => form,
      });
      return (await body(answer)).items;
    },
    async cancel(upload) {
      await api.DELETE("/projects/{project}/uploads/{upload}", { params: { path: { project, upload } } });
    },
  };
}

/** The longest key of a case, as the service has it. */
export const LONGEST_CASE = 200;
const BATCH = 16;
const BATCH_BYTES = 8e6;
const ASKED = 64;
const UNREAD = "It could not be read.";
const CANCELLED = "cancelled";
/** Code of the refusal of files for an upload that was ended. */
const ENDED = "in_the_way";

/** What stands in the fields beside the pickers while files are dropped or chosen. */
export type UploadChoices = Pick<UploadState, "caseKey" | "profile" | "bits">;

/** That, as an upload is begun with it. A scanner is that of a case. */
export function uploadOf({ caseKey, profile, bits }: UploadChoices): Required<NewUpload> {
  const key = caseKey.trim().slice(0, LONGEST_CASE) || null;
  return { case: key, profile: key === null ? null : profile, bits };
}

/** The upload that a file belongs in. */
const uploadOfFile = ({ case: key = null, profile = null, bits = null }: Found): Required<NewUpload> => ({
  case: key,
  profile,
  bits,
});

/** The same, to be compared by. */
const uploadKey = (found: Found): string => JSON.stringify(uploadOfFile(found));

const none = (): Record<FileState, number> => ({ waiting: 0, sending: 0, added: 0, known: 0, refused: 0 });

export class Uploader {
  private state: UploadState = {
    files: [],
    counts: none(),
    running: false,
    fault: null,
    caseKey: "",
    profile: null,
    bits: null,
  };
  private readonly listeners = new Set<() => void>();
  private queue: Found[] = [];
  private readonly index = new Map<string, number>();
  /** The upload under way of each case (of files without one too), scanner and depth, by `uploadKey`. */
  private readonly uploads = new Map<string, number>();
  private stopped = false;

  constructor(
    private readonly project: number,
    private readonly service: UploadService,
    private readonly stored: WaitingFiles | null,
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {}

  readonly snapshot = (): UploadState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Go on with what a reload interrupted. */
  async resume(): Promise<void> {
    const waiting = await this.stored?.waiting(this.project).catch(() => []);
    if (waiting?.length) await this.take(waiting, false);
  }

  /** Say whose cells are dropped or chosen from now on; nothing for nobody's. */
  readonly setCase = (caseKey: string): void => this.set({ caseKey });

  /** Say of which scanner a new case is from now on; null leaves it to be proposed. */
  readonly setProfile = (profile: number | null): void => this.set({ profile });

  /** Say how many bits hold the values of deep samples from now on; null where files say it themselves. */
  readonly setBits = (bits: number | null): void => this.set({ bits });

  /** Send these as well, as what is said now has it, or was. Gives when there is nothing left to send. */
  async add(found: Found[], said: Partial<UploadChoices> = {}): Promise<void> {
    const given = uploadOf({ ...this.state, ...said });
    await this.take(
      found.map(({ name, file }) => ({ name, file, ...given })),
      true,
    );
  }

  /** Show these names among the files that are not taken: the browser could not read them. */
  unread(names: string[], said: Partial<UploadChoices> = {}): void {
    const { case: key } = uploadOf({ ...this.state, ...said });
    this.mark(names.map((name) => ({ name, case: key, state: "refused", reason: UNREAD })));
  }

  private async take(found: Found[], keep: boolean): Promise<void> {
    const fresh = found.filter((one) => {
      const at = this.index.get(keyOf(one));
      const state = at === undefined ? null : this.state.files[at]!.state;
      return state === null || state === "refused" || state === "added" || state === "known";
    });
    if (!fresh.length) return;
    if (keep) await this.stored?.put(this.project, fresh).catch(() => undefined);
    this.mark(saying(fresh, "waiting"));
    this.queue.push(...fresh);
    if (!this.state.running) await this.run();
  }

  /** Send no more; what has arrived stays. */
  async cancel(): Promise<void> {
    this.stopped = true;
    const left = this.queue.splice(0);
    this.mark(saying(left, "refused", CANCELLED));
    const uploads = [...this.uploads.values()];
    this.uploads.clear();
    await this.stored?.clear(this.project).catch(() => undefined);
    for (const upload of uploads) await this.service.cancel(upload).catch(() => undefined);
  }

  private async run(): Promise<void> {
    this.stopped = false;
    this.set({ running: true, fault: null });
    try {
      while (this.queue.length) {
        const some = this.queue.splice(0, ASKED);
        for (const batch of batches(await this.unknown(some))) {
          if (this.stopped) {
            this.mark(saying(batch, "refused", CANCELLED));
            continue;
          }
          await this.sendBatch(batch);
        }
      }
    } finally {
      this.set({ running: false, fault: null });
    }
  }

  /** Those of these files that the service has not; where it cannot be asked they are refused, and none is left. */
  private async unknown(some: Found[]): Promise<Found[]> {
    const digests = await Promise.all(
      some.map(({ name, file }) => (isZip(name) ? null : sha256(file).catch(() => null))),
    );
    const asked = digests.filter((digest): digest is string => digest !== null);
    let known: Record<string, number>;
    try {
      known = asked.length ? await this.persist(() => this.service.known(asked)) : {};
    } catch (fault) {
      this.mark(saying(some, "refused", this.reasonOf(fault)));
      await this.done(some);
      return [];
    }
    const there = some.filter((_, at) => digests[at] && known[digests[at]] !== undefined);
    if (there.length) {
      this.mark(saying(there, "known"));
      await this.done(there);
    }
    return some.filter((found) => !there.includes(found));
  }

  private async sendBatch(batch: Found[]): Promise<void> {
    const first = batch[0]!;
    const given = uploadOfFile(first);
    this.mark(saying(batch, "sending"));
    try {
      const answer = await this.sent(uploadKey(first), given, batch);
      this.mark(batch.flatMap((one, at) => became(one, answer, at)));
    } catch (fault) {
      this.mark(saying(batch, "refused", this.reasonOf(fault)));
    }
    await this.done(batch);
  }

  private async sent(key: string, given: Required<NewUpload>, batch: Found[]): Promise<FileOutcome[]> {
    const before = this.uploads.get(key);
    const upload = before ?? (await this.persist(() => this.service.begin(given)));
    this.uploads.set(key, upload);
    try {
      return await this.persist(() => this.service.send(upload, batch));
    } catch (fault) {
      if (this.stopped || !(fault instanceof ServiceFault) || fault.fault.code !== ENDED) throw fault;
      // It was ended since: its case was deleted, say. What comes now is for a case of that key all the same.
      this.uploads.delete(key);
      if (before === undefined) throw fault;
      return await this.sent(key, given, batch);
    }
  }

  private reasonOf(fault: unknown): string {
    // Who has stopped the upload is not told that the line was broken.
    if (this.stopped && isPassing(fault)) return CANCELLED;
    return fault instanceof ServiceFault ? fault.fault.message : UNREAD;
  }

  private async done(found: Found[]): Promise<void> {
    await this.stored?.taken(this.project, found).catch(() => undefined);
  }

  /** Ask again while the line is broken or the service is busy. */
  private async persist<T>(ask: () => Promise<T>): Promise<T> {
    for (let wait = 500; ; wait = Math.min(2 * wait, 15_000)) {
      try {
        const answer = await ask();
        if (this.state.fault) this.set({ fault: null });
        return answer;
      } catch (fault) {
        if (!isPassing(fault) || this.stopped) throw fault;
        this.set({ fault: fault.fault.message });
        await this.pause(wait);
      }
    }
  }

  private mark(changes: Sent[]): void {
    if (!changes.length) return;
    const files = [...this.state.files];
    for (const change of changes) {
      const key = keyOf(change);
      const at = this.index.get(key);
      if (at === undefined) {
        this.index.set(key, files.length);
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

/** These files, each in the same state. */
function saying(found: Found[], state: FileState, reason: string | null = null): Sent[] {
  return found.map((one) => ({ name: one.name, case: one.case ?? null, state, reason }));
}

/** What became of a file, and of what lay in it: the service may call it otherwise, and of a zip names what is inside. */
function became(one: Found, answer: FileOutcome[], at: number): Sent[] {
  const answered = answer.filter(({ file }) => file === at);
  const only = answered.length === 1 ? answered[0]! : null;
  const itself = only && !(isZip(one.name) && !isZip(only.name));
  if (itself) return saying([one], only.state, only.reason);
  const inside = answered.map(({ name, state, reason }) => ({ name, case: one.case ?? null, state, reason }));
  const arrived = answered.some(({ state }) => state !== "refused");
  return [...inside, ...saying([one], arrived ? "added" : "refused", arrived ? null : "Nothing in it was taken.")];
}

const isZip = (name: string): boolean => name.toLowerCase().endsWith(".zip");

/** Batches small enough that progress is seen and a lost one costs little; each of one upload. */
export function batches(found: Found[]): Found[][] {
  const result: Found[][] = [];
  let bytes = 0;
  for (const one of found) {
    const last = result.at(-1);
    const another = last && uploadKey(last[0]!) !== uploadKey(one);
    if (!last || another || last.length >= BATCH || bytes + one.file.size > BATCH_BYTES) {
      result.push([one]);
      bytes = one.file.size;
    } else {
      last.push(one);
      bytes += one.file.size;
    }
  }
  return result;
}
