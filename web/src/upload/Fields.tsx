import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";
import { type FieldsSent, fieldWords, sendFields } from "./fields";
import { useUploads } from "./Uploads";
import { uploadOf } from "./uploader";

/** Fields of a camera instead of crops: their white cells are found and go where crops would: case, scanner and depth. */
export function useFields() {
  const { project, store } = useProjectContext();
  const said = useUploads();
  const input = useRef<HTMLInputElement>(null);
  const [sent, setSent] = useState<FieldsSent | null>(null);
  const sending = useMutation({
    mutationFn: (files: File[]) => sendFields(project.id, files, uploadOf(said), setSent),
    onSuccess: (all) => {
      const refused = all.refused.map(({ name, reason }) => `${name}: ${reason}`);
      const text = [fieldWords(all), ...refused].join(". ");
      store.notify({ kind: refused.length ? "fault" : "done", text, images: [], undo: false });
    },
  });
  const picker = (
    <input
      ref={input}
      type="file"
      hidden
      multiple
      data-picker="fields"
      aria-label="Fields of view of a camera"
      accept="image/*,.tif,.tiff"
      onChange={() => {
        const files = [...(input.current?.files ?? [])];
        if (files.length) sending.mutate(files);
        if (input.current) input.current.value = "";
      }}
    />
  );
  const progress = (
    <>
      {sending.isPending && sent && (
        <p className="small" role="status" aria-label="Fields">
          {fieldWords(sent)}
        </p>
      )}
      <FaultLine fault={sending.error} />
    </>
  );
  return { choose: () => input.current?.click(), busy: sending.isPending, picker, progress };
}
