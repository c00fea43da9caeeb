/** What a record says besides counts and findings - the specimen, the scanner, the report's settings -, in words to be compared. */

import type { SigningShown } from "../api/schema";
import { scannerWords } from "../profiles/profiles";
import { when } from "../ui/time";

/** As they were shown to a signer, and what they are known by. */
export type SigningSpecimen = Pick<SigningShown, "specimen" | "profile" | "settings" | "facts">;

type Range = SigningSpecimen["settings"]["ranges"][number];

const between = (low: number | null | undefined, high: number | null | undefined, unit: string) => {
  if (low == null && high == null) return [];
  return [low == null ? `up to ${high} ${unit}` : high == null ? `from ${low} ${unit}` : `${low} to ${high} ${unit}`];
};

/** The reference range of a type: of its share, and of its absolute count. */
export const rangeWords = ({ low, high, absolute_low, absolute_high }: Range): string =>
  [...between(low, high, "%"), ...between(absolute_low, absolute_high, "× 10⁹/L")].join(", ");

/** The scanner profile that a case is read by. */
export const profileWords = ({ name, scale }: SigningSpecimen["profile"]): string =>
  `${scannerWords(name)}, pixel scale ${scale.toFixed(2)}`;

/** Each of them by what it is called; what is empty is left away. */
function worded({ specimen, profile, settings }: SigningSpecimen): Map<string, string> {
  const said: [string, string | null][] = [
    ["Case", specimen.key],
    ["Accession", specimen.accession],
    ["Collected", specimen.collected_at && when(specimen.collected_at)],
    ["Received", specimen.received_at && when(specimen.received_at)],
    ["Leukocytes, 10⁹/L", specimen.wbc === null ? null : String(specimen.wbc)],
    ["Note", specimen.note],
    ["Scanner profile", `${profile.name}, pixel scale ${profile.scale.toFixed(2)}`],
    ["Project", settings.project],
    ["Laboratory", settings.laboratory],
    ["Address", settings.address],
    ["Time zone", settings.zone],
    ...settings.ranges.map((range): [string, string] => [`Range of ${range.label}`, rangeWords(range)]),
  ];
  return new Map(said.flatMap(([what, text]) => (text ? [[what, text]] : [])));
}

/** What is otherwise now: what it is called, as it was and as it is; `none` where there is nothing. */
export function differences(
  before: SigningSpecimen,
  now: SigningSpecimen,
): { what: string; was: string; is: string }[] {
  const [one, other] = [worded(before), worded(now)];
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((what) => {
    const [was, is] = [one.get(what) ?? "none", other.get(what) ?? "none"];
    return was === is ? [] : [{ what, was, is }];
  });
}
