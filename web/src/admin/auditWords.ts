/** A row of the audit trail in words: what was done, and the pieces of what it was done to. */

/** Actions as a reader says them, with the person before. One that is not here is said by its own two words. */
export const ACTIONS: Record<string, string> = {
  "account.change": "changed their own name",
  "account.connect": "connected an account to the sign-in provider",
  "account.password": "changed their own password",
  "audit.export": "took the audit trail away as a table",
  "case.amend": "opened a signed case for changes",
  "case.change": "changed a case",
  "case.counting": "drew the cells of a case that are counted",
  "case.create": "made a case",
  "case.delete": "deleted a case",
  "case.findings": "wrote the findings of a case",
  "case.profile": "chose a case's scanner",
  "case.report": "took a preliminary report away",
  "case.withdraw": "withdrew an amendment",
  "comment.add": "wrote a comment",
  "comment.assign": "asked somebody to answer a comment",
  "comment.export": "took comments away as a table",
  "comment.mark": "resolved a comment, or opened it again",
  "dossier.cancel": "called off a validation dossier",
  "dossier.create": "asked for a validation dossier",
  "dossier.drop": "dropped the files of an old validation dossier",
  "dossier.export": "took a validation dossier away",
  "drift.answer": "answered the control charts of a scanner",
  "field.add": "uploaded fields",
  "field.check": "said whether a field was looked at as a whole",
  "field.delete": "deleted a field",
  "group.accept": "accepted a group on a sample",
  "group.draw": "drew a sample of a group",
  "group.drop": "gave a drawn sample up",
  "image.delete": "deleted cells",
  "image.move": "moved cells",
  "image.rename": "renamed a cell",
  "images.add": "uploaded cells",
  "label.agree": "agreed with the model",
  "label.clear": "took labels back",
  "label.group": "labelled an accepted group",
  "label.import": "imported labels from a table",
  "label.set": "labelled cells",
  "label.undo": "undid labels",
  "label_set.change": "changed a label set",
  "label_set.create": "made a label set",
  "member.remove": "took a member out",
  "member.set": "gave a member a role",
  "panel.close": "closed a panel",
  "panel.create": "made a panel",
  "panel.decide": "decided a cell of a panel",
  "panel.teach": "said whether a panel teaches",
  "panel.export": "took what a panel agreed on away as a table",
  "panel.export_readings": "took a panel's readings away as a table",
  "profile.change": "changed a scanner",
  "profile.create": "made a scanner",
  "profile.finder": "fitted the search of fields to a scanner's corrections",
  "profile.measure": "measured a scanner's scale",
  "profile.merge": "joined two scanners",
  "project.bundle": "let another bundle read the project",
  "project.change": "changed the project",
  "project.create": "made a project",
  "project.delete": "deleted a project",
  "project.export": "exported cells",
  "project.original_names": "took the original names away as a table",
  "report.settings": "changed how reports are made",
  "retention.case": "deleted a case whose time was over",
  "retention.field": "deleted fields whose time was over",
  "retention.image": "deleted cells whose time was over",
  "review.export": "took the review of reviews away as a table",
  "search.look": "looked at a cell in a search",
  "session.begin": "signed in",
  "session.end": "signed out",
  "session.end_others": "signed out their other browsers",
  "signature.add": "signed a case",
  "signature.export": "exported a signed record",
  "signature.report": "took a report away",
  "signing.rules": "changed the signing rules",
  "tag.add": "put a tag on cells",
  "tag.remove": "took a tag off cells",
  "teaching.add": "put a cell into the teaching library",
  "teaching.change": "changed the note of a teaching cell",
  "teaching.export": "took the teaching library away",
  "teaching.remove": "took a cell out of the teaching library",
  "token.create": "made a token",
  "token.revoke": "revoked a token",
  "upload.begin": "began an upload",
  "upload.cancel": "cancelled an upload",
  "user.change": "changed an account",
  "user.create": "made an account",
  "user.erase": "erased an account",
  "view.forget": "forgot a view of the table",
  "view.keep": "kept a view of the table",
};

/** What rows are about: the first parts of the actions, so that the filter has every one that words were found for. */
export const NOUNS: string[] = [...new Set(Object.keys(ACTIONS).map((action) => action.split(".")[0]!))].sort();

export const done = (action: string): string => ACTIONS[action] ?? action.replace(/[._]/g, " ");

/** A piece of a row: words, or a thing that can be opened. */
export type Piece =
  /** `more`: it goes on with what stands before it. */
  | { kind: "text"; text: string; more?: boolean }
  | { kind: "user" | "project" | "case" | "image"; id: number; title?: string };

/** What other fields say already, or what tells a reader nothing. */
const SILENT = new Set(["request", "kind", "bundle", "digest", "fingerprint", "identities"]);
/** Cells that are named one by one; of more, their number. */
const NAMED = 3;

const text = (words: string): Extract<Piece, { kind: "text" }> => ({ kind: "text", text: words });
const number = (value: unknown): value is number => typeof value === "number";
const words = (name: string): string => name.replaceAll("_", " ");

/** The cells of a list: those with a number of their own, or of rows that name one. */
function cellsOf(list: unknown[]): number[] | null {
  const found = list.map((one) => (number(one) ? one : (one as { image?: unknown; id?: unknown } | null)?.image));
  return found.every(number) ? found : null;
}

function listed(cells: number[], after = ""): Piece[] {
  if (cells.length > NAMED) return [text(`${cells.length.toLocaleString("en")} cells${after}`)];
  return [
    ...cells.map((id): Piece => ({ kind: "image", id })),
    ...(after ? [{ ...text(after.trim()), more: true }] : []),
  ];
}

/** "3 cells as lymphocyte": what was said of which cells, a piece for each label. */
function labelled(labels: { image: number; label: string | null; label_set?: string }[]): Piece[] {
  const by = new Map<string, number[]>();
  for (const { image, label, label_set } of labels) {
    const set = label_set && label_set !== "cell_type" ? ` (${words(label_set)})` : "";
    const said = label === null ? " without a label" : ` as ${label === "?" ? "unsure" : words(label)}${set}`;
    by.set(said, [...(by.get(said) ?? []), image]);
  }
  return [...by].flatMap(([said, cells]) => listed(cells, said));
}

function plain(value: unknown): string {
  if (value === null || value === "") return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (number(value)) return value.toLocaleString("en");
  if (typeof value === "string") return value;
  if (Array.isArray(value))
    return value.length > 6 ? `${value.length.toLocaleString("en")} of them` : value.map(plain).join(", ") || "none";
  return Object.entries(value as object)
    .map(([name, one]) => `${words(name)} ${plain(one)}`)
    .join(", ");
}

/** What a row is about, without a bracket or a quotation mark. */
export function pieces(subject: Record<string, unknown>): Piece[] {
  return Object.entries(subject).flatMap(([name, value]): Piece[] => {
    if (SILENT.has(name) || value === undefined) return [];
    if ((name === "user" || name === "project" || name === "image") && number(value))
      return [{ kind: name, id: value }];
    if (name === "case") {
      if (!number(value) || value === 0) return [text("no case")];
      const title = typeof subject.key === "string" ? subject.key : undefined;
      return [title ? { kind: "case", id: value, title } : { kind: "case", id: value }];
    }
    if (name === "key" && number(subject.case)) return [];
    if (Array.isArray(value)) {
      if (name === "labels" && value.every((one) => number((one as { image?: unknown })?.image)))
        return labelled(value);
      const cells = ["before", "cells", "images", "facts"].includes(name) && value.length ? cellsOf(value) : null;
      if (cells) return listed(cells);
    }
    return [text(`${words(name)} ${plain(value)}`)];
  });
}
