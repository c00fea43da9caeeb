import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState, useSyncExternalStore } from "react";
import { Dropdown } from "react-bootstrap";
import { api, body, ServiceFault } from "../api/client";
import { useProjectContext } from "../project/context";
import { follow, keep, kept } from "../tour/tour";
import { Sketch } from "../ui/Sketch";
import { Empty, FaultLine, Unseen } from "../ui/states";
import { CaseField } from "./CaseField";
import { useFields } from "./Fields";
import { picked } from "./gather";
import { useUploader } from "./Uploads";

const ImportLabels = lazy(() => import("../labelsets/ImportLabels"));

/** Drawn cells that are offered to somebody without crops. */
const DRAWN = 200;

/** Cells that the service draws; the table takes over when the first are there, and they go on coming. */
function useDrawing() {
  const { project, store } = useProjectContext();
  return useMutation({
    mutationFn: () =>
      body(
        api.POST("/projects/{project}/drawn", {
          params: { path: { project: project.id } },
          body: { count: DRAWN, seed: 0 },
        }),
      ),
    onError: (fault) => {
      // The empty desk says so itself; it is gone once there are cells.
      if (!store.snapshot().columns.count) return;
      const text = fault instanceof ServiceFault ? fault.text : "The cells were not all drawn.";
      store.notify({ kind: "fault", text, images: [], undo: false });
    },
  });
}

/** The empty desk: one line, and whose cells they are. */
export function UploadArea() {
  const { project } = useProjectContext();
  const drawing = useDrawing();
  const uploader = useUploader();
  const touring = useSyncExternalStore(follow, () => kept(project.id)) !== null;
  const fields = useFields();
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  if (project.role === "viewer") {
    return (
      <Empty title="No cells yet" sketch={<Sketch of="crops" />}>
        <Unseen title="Review" />
        <span>A reviewer of this project uploads them.</span>
      </Empty>
    );
  }
  const take = (input: HTMLInputElement | null) => {
    if (input?.files) void uploader.add(picked(input.files));
    if (input) input.value = "";
  };
  return (
    <div className="upload-area">
      <Unseen title="Review" />
      <Sketch of="crops" />
      <p>
        Drop a folder of cell crops, or choose{" "}
        <button type="button" className="linked" onClick={() => folder.current?.click()}>
          a folder
        </button>
        ,{" "}
        <button type="button" className="linked" onClick={() => files.current?.click()}>
          files or a zip
        </button>
        ,{" "}
        <button type="button" className="linked" disabled={fields.busy} onClick={fields.choose}>
          fields of a camera
        </button>
        ; or{" "}
        <button type="button" className="linked" disabled={drawing.isPending} onClick={() => drawing.mutate()}>
          try {DRAWN} drawn cells
        </button>
        .
      </p>
      {!touring && (
        <p className="small">
          New here?{" "}
          <button type="button" className="linked" onClick={() => keep(project.id, 0)}>
            Take the tour of one minute
          </button>
        </p>
      )}
      {drawing.isPending && (
        <p className="small" role="status">
          The first are being drawn…
        </p>
      )}
      <FaultLine fault={drawing.error} />
      <CaseField />
      <Pickers folder={folder} files={files} take={take} />
      {fields.picker}
      {fields.progress}
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
        accept="image/*,.zip,.tif,.tiff,.dcm,.dicom"
        onChange={() => take(files.current)}
      />
    </>
  );
}

/** More cells for a desk that has some: in the toolbar. */
export function AddCells() {
  const { project } = useProjectContext();
  const uploader = useUploader();
  const fields = useFields();
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const [importing, setImporting] = useState(false);
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
          <Dropdown.Item as="button" disabled={fields.busy} onClick={fields.choose}>
            Fields of a camera…
          </Dropdown.Item>
          {fields.progress}
          <Dropdown.Divider />
          <Dropdown.Item as="button" onClick={() => setImporting(true)}>
            Labels from a table…
          </Dropdown.Item>
        </Dropdown.Menu>
      </Dropdown>
      <Pickers folder={folder} files={files} take={take} />
      {fields.picker}
      {importing && (
        <Suspense>
          <ImportLabels close={() => setImporting(false)} />
        </Suspense>
      )}
    </>
  );
}
