import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, body } from "../api/client";
import { useMemberNames } from "../api/queries";
import type { ImageShown as ImageDetail } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { FaultLine } from "../ui/states";
import { ago, when } from "../ui/time";

const VERBS = {
  set: "labelled",
  agree: "agreed:",
  group: "accepted in a group:",
  undo: "undone, again",
  clear: "took the label back",
};

/** Labels and comments of the cell, and a field for a new comment. */
export function History({ detail, mayComment }: { detail: ImageDetail; mayComment: boolean }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const classes = useProjectState((state) => state.columns.classes);
  const nameOf = useMemberNames(project.id);
  const [text, setText] = useState("");
  const comment = useMutation({
    mutationFn: () =>
      body(
        api.POST("/projects/{project}/images/{image}/comments", {
          params: { path: { project: project.id, image: detail.id } },
          body: { text },
        }),
      ),
    onSuccess: async () => {
      setText("");
      await queries.invalidateQueries({ queryKey: ["projects", project.id, "images", detail.id] });
    },
  });
  const titled = (label: string | null) =>
    label === null ? "none" : label === "?" ? "unsure" : (classes.find((mark) => mark.name === label)?.title ?? label);
  const lines = [
    ...detail.history.map((record) => ({
      key: `f${record.id}`,
      at: record.at,
      who: nameOf(record.user),
      text: record.kind === "clear" ? VERBS.clear : `${VERBS[record.kind]} ${titled(record.label)}`,
    })),
    ...detail.comments.map(({ id, at, user, text }) => ({
      key: `c${id}`,
      at,
      who: nameOf(user),
      text: `“${text}”`,
    })),
  ].sort((a, b) => b.at.localeCompare(a.at));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) comment.mutate();
  };
  return (
    <section className="history">
      <h3>History</h3>
      {lines.length === 0 && <p className="small quiet">No labels or comments yet.</p>}
      <ul>
        {lines.map(({ key, at, who, text }) => (
          <li key={key}>
            <b>{who}</b> {text}{" "}
            <time className="quiet" dateTime={at} title={when(at)}>
              {ago(at)}
            </time>
          </li>
        ))}
      </ul>
      {mayComment && (
        <form onSubmit={submit}>
          <input
            className="form-control form-control-sm"
            placeholder="Comment"
            aria-label="Comment on this cell"
            maxLength={2000}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </form>
      )}
      <FaultLine fault={comment.error} />
    </section>
  );
}
