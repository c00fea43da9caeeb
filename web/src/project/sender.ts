/** Sends one request after the other, each until it is answered: a broken line loses no label. */

import { ServiceFault } from "../api/client";
import type { StateHolder } from "./state";

/** Waits between two tries, milliseconds; the last one again and again. */
const RETRY = [500, 1000, 2000, 4000, 8000, 15_000];

/** How long to wait after so many failed tries, milliseconds. */
export const waitAfter = (times: number): number => RETRY[Math.min(times, RETRY.length - 1)]!;

/** Whether the line is broken. */
export const isOffline = (fault: unknown): boolean => fault instanceof ServiceFault && fault.offline;

/** Whether the same request may succeed later: the line is broken, or the service cannot answer now. */
export const isPassing = (fault: unknown): fault is ServiceFault =>
  isOffline(fault) || (fault instanceof ServiceFault && (fault.status >= 500 || fault.status === 429));

/** A fresh name for a request. `crypto.randomUUID` is missing where the page is not served over TLS. */
export function requestName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export class Sender {
  private queue: Promise<void> = Promise.resolve();
  /** Whether a label is sent again and again, because the connection is broken. */
  private retrying = false;
  /** Whether the line of events is open: taken for open, as the page shows it, until it is heard to be broken. */
  private listening = true;
  private wake: () => void = () => {};

  constructor(
    private readonly holder: StateHolder,
    private readonly pause: (ms: number) => Promise<void>,
    private readonly ended: () => boolean,
  ) {}

  /** Run when everything before has been answered. A fault of the page itself is told, and what comes after it runs. */
  enqueue(run: () => Promise<void>): Promise<void> {
    const ran = () =>
      run().catch((fault: unknown) => {
        console.error(fault);
        this.complain("Something on this page went wrong. Reload it to see what was saved.");
      });
    this.queue = this.queue.then(ran, ran);
    return this.queue;
  }

  /** The line of events is open, or broken; whether it has just been mended. */
  connection(open: boolean): boolean {
    const mended = open && this.holder.snapshot().connection === "lost";
    this.listening = open;
    if (open) this.wake();
    // While a label still waits for its answer the page says so, whatever events come.
    this.holder.set({ connection: open && !this.retrying ? "open" : "lost" });
    return mended;
  }

  /** The service has answered: the page says so, unless events or a label still wait. */
  reached(): void {
    if (this.listening && !this.retrying && this.holder.snapshot().connection === "lost")
      this.holder.set({ connection: "open" });
  }

  /** Ask until there is an answer: a broken line loses nothing. Null where the service refused. */
  async persist<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
    const answer = await this.insist(ask);
    this.retrying = false;
    this.reached();
    return answer;
  }

  private async insist<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
    for (let times = 0; ; times++) {
      try {
        return await ask();
      } catch (fault) {
        if (!isPassing(fault) || this.ended()) {
          this.complain(fault instanceof ServiceFault ? fault.text : "It was not saved.");
          return null;
        }
        this.retrying = true;
        this.holder.set({ connection: "lost" });
        const healed = new Promise<void>((done) => {
          this.wake = done;
        });
        await Promise.race([this.pause(waitAfter(times)), healed]);
      }
    }
  }

  private complain(text: string): void {
    this.holder.notify({ kind: "fault", text, images: [], undo: false });
  }
}
