import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { api, body } from "../api/client";
import type { TeachingCellShown } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { FaultLine } from "../ui/states";
import "./known.scss";

/** Whether the cell is in the library of teaching cells; two clicks put it there, or take it out. */
export function Teach({ image, type }: { image: number; type: string | null }) {
  const { project } = useProjectContext();
  const labelSet = useProjectState((state) => state.columns.labelSet);
  const changes = useFollowed("teaching");
  const queries = useQueryClient();
  const [asked, setAsked] = useState<number | null>(null);
  const [note, setNote] = useState("");
  const root = ["projects", project.id, "teaching"];
  const path = { project: project.id };
  const found = useQuery({
    queryKey: [...root, labelSet, "image", image, changes],
    queryFn: async ({ signal }) =>
      (
        await body(
          api.GET("/projects/{project}/teaching", { params: { path, query: { label_set: labelSet, image } }, signal }),
        )
      ).items[0] ?? null,
    placeholderData: (last, query) => (query?.queryKey[5] === image ? last : undefined),
  });
  const done = async () => {
    setAsked(null);
    setNote("");
    await queries.invalidateQueries({ queryKey: root });
  };
  const add = useMutation({
    mutationFn: () =>
      body(api.POST("/projects/{project}/teaching", { params: { path }, body: { image, label_set: labelSet, note } })),
    onSuccess: done,
  });
  const remove = useMutation({
    mutationFn: (one: TeachingCellShown) =>
      api.DELETE("/projects/{project}/teaching/{teaching_cell}", {
        params: { path: { ...path, teaching_cell: one.id } },
      }),
    onSuccess: done,
  });
  const may = project.role !== "viewer" && !project.archived;
  const here = found.data;
  const asking = asked === image;
  if (here === undefined || (!may && !here)) return null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <div className="teach">
      {here && (
        <p className="small">
          <Link to={`/projects/${project.id}/library#cell-${image}`}>In the library</Link>{" "}
          <span className="quiet">
            since {here.by} added it{here.note && `: ${here.note}`}
          </span>
        </p>
      )}
      {may && (
        <div className="cell-acts">
          {!here && !asking && (
            <button
              type="button"
              className="bin-act"
              disabled={!type}
              title={type ? `Keep it as an example of ${type}` : "Label the cell first"}
              onClick={() => setAsked(image)}
            >
              add to the library…
            </button>
          )}
          {here && (
            <button
              type="button"
              className="bin-act"
              disabled={remove.isPending}
              onClick={() => (asking ? remove.mutate(here) : setAsked(image))}
            >
              {asking ? "really take it out" : "take out of the library"}
            </button>
          )}
        </div>
      )}
      {!here && asking && type && (
        <form onSubmit={submit}>
          <input
            className="form-control form-control-sm"
            placeholder="What it shows (optional)"
            aria-label="Note on the teaching cell"
            maxLength={1000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
          <button type="submit" className="bin-act" disabled={add.isPending}>
            add as {type}
          </button>
          <button type="button" className="bin-act" onClick={() => setAsked(null)}>
            no
          </button>
        </form>
      )}
      <FaultLine fault={add.error ?? remove.error} />
    </div>
  );
}
