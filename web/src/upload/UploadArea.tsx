import { useMutation } from "@tanstack/react-query";
import { useRef } from "react";
import { Dropdown } from "react-bootstrap";
import { ServiceFault, send } from "../api/client";
import type { Drawn } from "../api/types";
import { useRoom } from "../project/context";
import { FaultLine } from "../ui/states";
import { CaseField } from "./CaseField";
import { picked } from "./gather";
import { useUploader } from "./Uploads";

/** Drawn cells that are offered to somebody without crops. */
const DRAWN = 200;

/** Cells that the service draws; the table takes over when the first are there, and they go on coming. */
function useDrawing() {
  const { project, store } = useRoom();
  return useMutation({
    mutationFn: () => send<Drawn>("POST", `/projects/${project.id}/drawn`, { count: DRAWN }),
    onError: (fault) => {
      // The empty desk says so itself; it is gone once there are cells.
      if (!store.snapshot().columns.count) return;
      const text = fault instanceof ServiceFault ? fault.said : "The cells were not all drawn.";
      store.tell({ kind: "fault", text, images: [], undo: false });
    },
  });
}

/** The empty desk: one line, and whose cells they are. */
export function UploadArea() {
  const { project } = useRoom();
  const drawing = useDrawing();
  const uploader = useUploader();
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  if (project.role === "viewer") {
    return (
      <div className="state">
        <strong>No cells yet</strong>
        <span>A reviewer of this project uploads them.</span>
      </div>
    );
  }
  const take = (input: HTMLInputElement | null) => {
    if (input?.files) void uploader.add(picked(input.files));
    if (input) input.value = "";
  };
  return (
    <div className="upload-area">
      <p>
        Drop a folder of cell crops, or choose{" "}
        <button type="button" className="linked" onClick={() => folder.current?.click()}>
          a folder
        </button>
        ,{" "}
        <button type="button" className="linked" onClick={() => files.current?.click()}>
          files or a zip
        </button>
        ; or{" "}
        <button type="button" className="linked" disabled={drawing.isPending} onClick={() => drawing.mutate()}>
          try {DRAWN} drawn cells
        </button>
        .
      </p>
      {drawing.isPending && (
        <p className="small" role="status">
          The first are being drawn…
        </p>
      )}
      <FaultLine fault={drawing.error} />
      <CaseField />
      <Pickers folder={folder} files={files} take={take} />
    </div>
  );
}

interface PickersProps {
  folder: React.RefObject<HTMLInputElement | null>;
  files: React.RefObject<HTMLInputElement | null>;
  take: (input: HTMLInputElement | null) => void;
}

function Pickers({ folder, files, take }: PickersProps) {
  return (
    <>
      <input
        ref={folder}
        type="file"
        hidden
        multiple
        data-picker="folder"
        aria-label="A folder of crops"
        {...{ webkitdirectory: "" }}
        onChange={() => take(folder.current)}
      />
      <input
        ref={files}
        type="file"
        hidden
        multiple
        data-picker="files"
        aria-label="Crops or a zip of them"
        accept="image/*,.zip,.tif,.tiff"
        onChange={() => take(files.current)}
      />
    </>
  );
}

/** More cells for a desk that has some: in the toolbar. */
export function AddCells() {
  const { project } = useRoom();
  const uploader = useUploader();
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  if (project.role === "viewer" || project.archived) return null;
  const take = (input: HTMLInputElement | null) => {
    if (input?.files) void uploader.add(picked(input.files));
    if (input) input.value = "";
  };
  return (
    <>
      <Dropdown autoClose="outside">
        <Dropdown.Toggle variant="link" size="sm">
          add cells
        </Dropdown.Toggle>
        <Dropdown.Menu align="end" className="add-menu">
          <CaseField />
          <Dropdown.Item as="button" onClick={() => files.current?.click()}>
            Files or a zip…
          </Dropdown.Item>
          <Dropdown.Item as="button" onClick={() => folder.current?.click()}>
            A folder…
          </Dropdown.Item>
        </Dropdown.Menu>
      </Dropdown>
      <Pickers folder={folder} files={files} take={take} />
    </>
  );
}
