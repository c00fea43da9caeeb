/** Versions of a signed record: which there are, which is shown, and what the report's head says of it. */

import type { SignatureShown, SigningShown } from "../api/schema";
import { when } from "../ui/time";

export interface Version {
  version: number;
  first: SignatureShown;
  second: SignatureShown | undefined;
}

/** The versions of a case's record, the newest first. */
export function versions(signatures: SignatureShown[], ofCase: number | null): Version[] {
  const found = new Map<number, Version>();
  for (const each of signatures) {
    if (each.case !== ofCase) continue;
    const before = found.get(each.version);
    if (!before) found.set(each.version, { version: each.version, first: each, second: undefined });
    else if (each.role === "second") found.set(each.version, { ...before, second: each });
  }
  return [...found.values()].sort((a, b) => b.version - a.version);
}

/** What the report shows: a version by its number, or the counts as they are now. */
export type Showing = number | "now";

/** What it shows where nobody chose: the newest record, or the counts of now while nothing is signed or it is amended. */
export function shownFirst(all: Version[], signing: Pick<SigningShown, "amendment"> | undefined): Showing {
  return all.length && !signing?.amendment ? all[0]!.version : "now";
}

const by = ({ name, at, initials }: SignatureShown) => `${name}${initials && ` (${initials})`}, ${when(at)}`;

/** A reason in quotation marks; a sentence keeps its own full stop. */
export const quoted = (reason: string) => `“${reason}”${/[.!?]$/.test(reason) ? "" : "."}`;

/** What is so, in sentences: signed or not, by whom, which version, what is still wanted. */
export function headline(
  all: Version[],
  showing: Showing,
  signing: Pick<SigningShown, "amendment" | "version"> | undefined,
): { text: string; open: boolean } {
  const newest = all[0];
  if (showing === "now") {
    if (!newest) return { text: "Not signed. These counts change with every label.", open: true };
    const amendment = signing?.amendment;
    if (!amendment)
      return {
        text: `Not what was signed: as the model reads the case now. Version ${newest.version} stands.`,
        open: true,
      };
    return {
      text: `Version ${newest.version} is being amended by ${amendment.name} since ${when(amendment.at)}: ${quoted(amendment.reason)} These counts are not signed.`,
      open: true,
    };
  }
  const one = all.find(({ version }) => version === showing);
  if (!one) return { text: "", open: false };
  const said = [`Version ${one.version}, signed by ${by(one.first)}.`];
  if (one.first.reason) said.push(`It amends version ${one.version - 1}: ${quoted(one.first.reason)}`);
  if (one.second) said.push(`Second signature: ${by(one.second)}.`);
  else if (one.first.second_wanted) said.push("A second signature is still wanted.");
  const replaced = newest!.version > one.version;
  if (replaced) said.push(`Version ${newest!.version} has replaced it.`);
  else if (signing?.amendment) said.push("It is being amended.");
  return {
    text: said.join(" "),
    open: replaced || Boolean(signing?.amendment) || (one.first.second_wanted && !one.second),
  };
}

/** Of the cells of a record, what the crops are chosen by: codes of classes as in the columns, 255 for none. */
export function cellsOf(
  record: {
    image: number;
    label: string | null;
    predicted: string | null;
    probability: number | null;
    outside?: boolean;
  }[],
  classes: { name: string }[],
) {
  const code = (name: string | null) =>
    name === null ? 255 : name === "?" ? 254 : classes.findIndex((one) => one.name === name);
  return {
    id: record.map(({ image }) => image),
    label: record.map(({ label }) => code(label)),
    predicted: record.map(({ predicted }) => code(predicted)),
    probability: record.map(({ probability }) => probability ?? 0),
    outside: record.map(({ outside }) => Number(outside ?? false)),
  };
}

/** Whether these counts may be signed as a second signer would: a record that another person signed first. */
export function wantsSecond(all: Version[], user: number): "no" | "wanted" | "other" {
  const newest = all[0];
  if (!newest?.first.second_wanted || newest.second) return "no";
  return newest.first.user === user ? "other" : "wanted";
}
