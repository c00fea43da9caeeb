/**
 * One road to the service, typed by its own description (schema.d.ts, generated): addresses, parameters, bodies and
 * answers. The CSRF token goes with what changes something; anything but success is thrown as a {@link ServiceFault}.
 */

import createClient, { type Middleware } from "openapi-fetch";
import { root } from "../app/root";
import type * as Shapes from "./schema";

export const ROOT = "/api/v1";

type Below<P> = P extends `${typeof ROOT}${infer Rest}` ? Rest : never;
type Filled<P> = P extends `${infer Before}{${string}}${infer After}` ? `${Before}${number}${Filled<After>}` : P;

/** The service's endpoints below the root. */
type Endpoints = { [P in keyof Shapes.paths as Below<P>]: Shapes.paths[P] };

/** Every address that the service's description knows, below the root and with numbers for its parameters. */
export type Path = Filled<keyof Endpoints>;

/** What the service refused; a fault of the line has no more than a code and a message. */
export type Fault = Pick<Shapes.Fault, "code" | "message"> & Partial<Shapes.Fault>;

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
  get text(): string {
    return this.said();
  }

  /** The same, with a form's own names for its fields. */
  said(named: FieldNames = {}): string {
    const { message, mend, fields, code } = this.fault;
    // The message speaks to programs; who filled in a form is told which field, and what is wrong with it.
    if (code === "invalid" && fields?.length)
      return fields.map(({ where, message }) => `${titled(where, named)}: ${message.replace(/\.$/, "")}.`).join(" ");
    const all = mend && !message.includes(mend) ? `${message} ${mend}` : message;
    return all.charAt(0).toUpperCase() + all.slice(1);
  }

  /** The message that belongs to one field of a form, if any. */
  field(name: string): string | undefined {
    return this.fault.fields?.find((field) => field.where.endsWith(name))?.message;
  }
}

/** What a form calls the fields of a request. */
export type FieldNames = Readonly<Record<string, string>>;

/** A field's name as a reader writes it: "body.collected_at" is "Collected at". */
function titled(where: string, named: FieldNames): string {
  const name = where.split(".").findLast((part) => !/^\d+$/.test(part)) ?? where;
  if (named[name]) return named[name];
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
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

const fences: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET" && csrf) request.headers.set("X-CSRF-Token", csrf);
  },
  async onResponse({ response }) {
    if (!response.ok && response.status !== 304) throw await faultOf(response);
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new ServiceFault(0, { code: "offline", message: "The service cannot be reached." });
  },
};

/** The service: `api.GET("/projects/{project}", { params: { path: { project } } })`. */
export const api = createClient<Endpoints>({ baseUrl: root + ROOT, credentials: "same-origin" });
api.use(fences);

/** The body of an answer. What is no success has been thrown before. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

type Query = Record<string, string | number | boolean | null | undefined>;

/** The address of an endpoint, for pictures and downloads: under the sub-path and the API's root, with what of `query` is given. */
export function address(path: Path, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${root}${ROOT}${path}${given.length ? `?${search}` : ""}`;
}
