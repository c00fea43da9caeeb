/** The laboratory's signing rules as the form edits them: shares in percent, as people say them. */

import type { SigningRule, SigningRules } from "../api/schema";

export type Level = SigningRule["level"];
export type CheckName =
  | "unreviewed"
  | "unsure"
  | "unusual"
  | "unreadable"
  | "waiting"
  | "too_few"
  | "drawn_gone"
  | "drawn_later";

export const LEVELS: Record<Level, string> = {
  off: "not checked",
  warn: "is shown",
  reason: "takes a reason",
  second: "takes a second signature",
  block: "stands in the way",
};

export const CHECKS: Record<CheckName, string> = {
  unreviewed: "Cells that nobody reviewed",
  unusual: "Of these, unusual ones",
  unsure: "Cells labelled unsure",
  unreadable: "Files that cannot be read",
  waiting: "Cells not read yet",
  too_few: "Fewer leukocytes than the target",
  drawn_gone: "Cells drawn to be counted that left the case",
  drawn_later: "Cells that came after the draw",
};

/** A rule's subject as one value of a select: a type's name, or one of the other measures. */
export const subjectOf = ({ measure, label }: Pick<SigningRule, "measure" | "label">) =>
  measure === "type" ? `type ${label}` : measure;

export function withSubject(rule: SigningRule, subject: string): SigningRule {
  const [measure, ...label] = subject.split(" ");
  if (measure === "type") return { ...rule, measure, label: label.join(" "), at_least: Math.min(rule.at_least, 1) };
  const other = measure as Exclude<SigningRule["measure"], "type">;
  return {
    ...rule,
    measure: other,
    label: null,
    at_least: other === "erythroblasts" ? rule.at_least : Math.min(rule.at_least, 1),
  };
}

/** Shares are written in percent; erythroblasts for 100 leukocytes as they are. */
export const shownLimit = ({ measure, at_least }: SigningRule) =>
  measure === "erythroblasts" ? at_least : Number((100 * at_least).toPrecision(6));
export const limitOf = (measure: SigningRule["measure"], shown: number) =>
  measure === "erythroblasts" ? shown : shown / 100;

export const newRule = (label: string): SigningRule => ({ measure: "type", label, at_least: 0.01, level: "second" });

export function withRule(rules: SigningRules, at: number, rule: SigningRule | null): SigningRules {
  const changed = [...(rules.rules ?? [])];
  if (rule === null) changed.splice(at, 1);
  else changed[at] = rule;
  return { ...rules, rules: changed };
}
