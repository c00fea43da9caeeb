/** A type being added or changed, and what the service is asked for. */

import type { ClassShown as Mark, NewType, TypeChange, TypeEdit } from "../api/schema";
import { inUse } from "../columns/columns";

export type Counting = Mark["counts"];

/** How a type counts, in words. */
export const COUNTINGS: Record<Counting, string> = {
  in: "in the 100",
  apart: "apart, per 100",
  excluded: "excluded",
};

export interface TypeDraft {
  /** What records call it, where it is a type that is offered. */
  name?: string;
  title: string;
  key: string;
  counts: Counting;
  /** The type above it; empty for none. */
  parent: string;
  /** A colour, or which of the free ones. */
  colour: { light: string; dark: string } | number;
}

const KEYS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"];
/** Shows where the model looked, and is no type's. */
const HEAT = "H";

/** Why a type cannot have a key, and which it can have; null where it can. */
export function keyRefused(classes: readonly Mark[], name: string, key: string): string | null {
  const others = inUse(classes).filter((mark) => mark.name !== name);
  const taken = others.find((mark) => mark.key === key);
  const free = KEYS.filter((one) => one !== HEAT && !others.some((mark) => mark.key === one)).join(" ");
  if (taken) return `${key} is the key of ${taken.title}: give that one another first, or take one of ${free}.`;
  if (key === HEAT) return `${key} shows where the model looked: take one of ${free}.`;
  return KEYS.includes(key) ? null : `A key is a letter or a digit: take one of ${free}.`;
}

/** What the service is asked to add. */
export function typeRequest(draft: TypeDraft, free: readonly { light: string; dark: string }[]): NewType {
  const colour = typeof draft.colour === "number" ? free[draft.colour] : draft.colour;
  return {
    title: draft.title.trim(),
    key: draft.key || null,
    counts: draft.counts,
    ...(draft.name ? { name: draft.name } : {}),
    ...(draft.parent ? { parent: draft.parent } : {}),
    ...(colour ? { colour } : {}),
  };
}

/** The draft as a kind of another type, or of none: it counts as that type does until somebody chooses otherwise. */
export function under(draft: TypeDraft, parent: string, upper: readonly { name: string; counts: Counting }[]) {
  return { ...draft, parent, counts: upper.find(({ name }) => name === parent)?.counts ?? draft.counts };
}

/** A change of a label set in a sentence: what was done to which type, and what was so before. */
export function edited({ action, subject }: Pick<TypeEdit, "action" | "subject">, title: (name: string) => string) {
  const type = title(String(subject.type ?? ""));
  if (action === "label_set.create") return "made the label set";
  if (action === "type.add") return `added ${String(subject.title ?? type)}`;
  if (action === "label_set.change") return "changed the label set";
  const before = (subject.before ?? {}) as Record<string, unknown>;
  const said: string[] = [];
  if ("title" in subject) said.push(`renamed ${String(before.title)} to ${String(subject.title)}`);
  if (subject.merged_into) said.push(`merged ${type} into ${title(String(subject.merged_into))}`);
  else if ("merged_into" in subject) said.push(`took ${type} apart from ${title(String(before.merged_into))}`);
  if ("retired" in subject) said.push(subject.retired ? `retired ${type}` : `took ${type} up again`);
  if ("counts" in subject) said.push(`${type} counts ${COUNTINGS[subject.counts as Counting]}`);
  if ("parent" in subject)
    said.push(subject.parent ? `put ${type} under ${title(String(subject.parent))}` : `${type} stands by itself`);
  if ("key" in subject) said.push(`key of ${type}: ${String(subject.key)}`);
  if ("light" in subject) said.push(`another colour for ${type}`);
  return said.join("; ");
}

export type { TypeChange };
