import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";

/** A cell's file name, which becomes a field when it is pressed. */
export function FileName({ image, name, may }: { image: number; name: string; may: boolean }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const [text, setText] = useState<string | null>(null);
  const rename = useMutation({
    mutationFn: (wanted: string) =>
      api.PATCH("/projects/{project}/images/{image}", {
        params: { path: { project: project.id, image } },
        body: { name: wanted },
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["projects", project.id, "images", image] }),
  });
  if (!may) {
    return (
      <p className="small quiet cell-file" title={name}>
        {name}
      </p>
    );
  }
  if (text === null) {
    return (
      <button
        type="button"
        className="small quiet cell-file bin-act"
        title={`Rename ${name}`}
        aria-label={`Rename ${name}`}
        onClick={() => setText(name)}
      >
        {name}
      </button>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() && text.trim() !== name) rename.mutate(text);
    else setText(null);
  };
  return (
    <form onSubmit={submit}>
      <input
        className="form-control form-control-sm"
        aria-label="Name of the cell"
        ref={(field) => field?.focus()}
        maxLength={1000}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText(null)}
        onBlur={() => !rename.isPending && setText(null)}
      />
      <FaultLine fault={rename.error} />
    </form>
  );
}
