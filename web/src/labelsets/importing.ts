/** A table of labels on its way to the service, and what a person said of labels that are no types. */

/** A choice that leaves rows out. */
export const LEAVE = "_leave";

/** Label of the table -> what it means: a type, `?`, {@link LEAVE}, or nothing yet. */
export type Means = Readonly<Record<string, string>>;

/** What the service is told of unknown labels. */
export function said(means: Means): Record<string, string | null> {
  const chosen = Object.entries(means).filter(([, name]) => name !== "");
  return Object.fromEntries(chosen.map(([label, name]) => [label, name === LEAVE ? null : name]));
}

/** Labels of which nobody said what they mean. */
export function unsettled(unknown: readonly { label: string }[], means: Means): string[] {
  return unknown.map(({ label }) => label).filter((label) => !means[label]);
}

/** Bytes as text that travels in JSON. */
export function base64(buffer: ArrayBuffer): string {
  const bytes = new Uint8Array(buffer);
  let text = "";
  // In parts: one call with all of a large file as arguments would overflow the stack.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
