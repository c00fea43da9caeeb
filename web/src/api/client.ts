/** One road to the service: JSON over same-origin fetch, the CSRF token on what changes, and one shape of fault. */

import type { paths } from "./schema";
import type { Fault } from "./types";

export const ROOT = "/api/v1";

type Below<P> = P extends `${typeof ROOT}${infer Rest}` ? Rest : never;
type Filled<P> = P extends `${infer Before}{${string}}${infer After}` ? `${Before}${number}${Filled<After>}` : P;

/** Every address that the service's description knows, below the root and with numbers for its parameters. */
export type Path = Filled<Below<keyof paths>>;

let csrf: string | null = null;

/** The token that the session answered; sent with every request that changes something. */
export function keepCsrf(token: string | null): void {
  csrf = token;
}

/** What the service refused, or `offline` when it could not be reached. */
export class ServiceFault extends Error {
  constructor(
    readonly status: number,
    readonly fault: Fault,
  ) {
    super(fault.message);
  }

  get offline(): boolean {
    return this.status === 0;
  }

  /** What went wrong and how to mend it, as a sentence. */
  get said(): string {
    const { message, mend } = this.fault;
    const all = mend && !message.includes(mend) ? `${message} ${mend}` : message;
    return all.charAt(0).toUpperCase() + all.slice(1);
  }

  /** The message that belongs to one field of a form, if any. */
  field(name: string): string | undefined {
    return this.fault.fields?.find((field) => field.where.endsWith(name))?.message;
  }
}

type Query = Record<string, string | number | boolean | null | undefined>;

/** The address of an endpoint under the API's root, with what of `query` is given. */
export function address(path: Path, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${ROOT}${path}${given.length ? `?${search}` : ""}`;
}

async function faultOf(response: Response): Promise<ServiceFault> {
  try {
    const body = (await response.json()) as { error?: Fault };
    if (body.error) return new ServiceFault(response.status, body.error);
  } catch {
    // Not JSON: a proxy in between said it.
  }
  return new ServiceFault(response.status, {
    code: String(response.status),
    message: `The service answered ${response.status} ${response.statusText}`.trim(),
  });
}

/** Fetch from the service; throws :class:`ServiceFault` for anything but success. */
export async function fetchFrom(url: string, init: RequestInit = {}): Promise<Response> {
  const method = init.method ?? "GET";
  const headers = new Headers(init.headers);
  if (method !== "GET" && csrf) headers.set("X-CSRF-Token", csrf);
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers, credentials: "same-origin" });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ServiceFault(0, { code: "offline", message: "The service cannot be reached." });
  }
  if (!response.ok && response.status !== 304) throw await faultOf(response);
  return response;
}

export async function get<T>(path: Path, query?: Query, signal?: AbortSignal): Promise<T> {
  const response = await fetchFrom(address(path, query), { signal });
  return (await response.json()) as T;
}

export async function send<T>(method: "POST" | "PATCH" | "PUT" | "DELETE", path: Path, body?: unknown): Promise<T> {
  const response = await fetchFrom(address(path), {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : null) as T;
}
