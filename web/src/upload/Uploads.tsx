import { useVirtualizer } from "@tanstack/react-virtual";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { useProjectContext } from "../project/context";
import { dropped } from "./gather";
import { Uploader, type UploadState, uploadServiceOf } from "./uploader";
import { waitingFiles } from "./waiting";
import "./upload.scss";

const Context = createContext<Uploader | null>(null);

export function useUploader(): Uploader {
  const uploader = useContext(Context);
  if (!uploader) throw new Error("Files are uploaded within a project.");
  return uploader;
}

export function useUploads(): UploadState {
  const uploader = useUploader();
  return useSyncExternalStore(uploader.subscribe, uploader.snapshot);
}

/** Takes files dropped anywhere on a project's screens, and shows how far they are while the review goes on. */
export function Uploads({ children }: { children: ReactNode }) {
  const { project } = useProjectContext();
  const uploader = useMemo(() => new Uploader(project.id, uploadServiceOf(project.id), waitingFiles), [project.id]);
  const may = project.role !== "viewer" && !project.archived;
  const [over, setOver] = useState(false);

  useEffect(() => {
    if (may) void uploader.resume();
  }, [uploader, may]);

  useEffect(() => {
    if (!may) return;
    let depth = 0;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
    const enter = (event: DragEvent) => {
      if (!files(event)) return;
      depth++;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (files(event) && --depth <= 0) setOver(false);
    };
    const hover = (event: DragEvent) => {
      if (files(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      // What the veil and the fields said, whatever is typed while a large folder is walked.
      const said = uploader.snapshot();
      void dropped(event.dataTransfer!).then(({ found, unread }) => {
        uploader.unread(unread, said);
        return uploader.add(found, said);
      });
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("dragover", hover);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("dragover", hover);
      window.removeEventListener("drop", drop);
    };
  }, [uploader, may]);

  return (
    <Context.Provider value={uploader}>
      {children}
      <Progress />
      {over && (
        <div className="drop-veil" aria-hidden="true">
          <Welcome />
        </div>
      )}
    </Context.Provider>
  );
}

/** Where and to whose cells a drop goes, said before it is let go. */
function Welcome() {
  const { project } = useProjectContext();
  const caseKey = useUploads().caseKey.trim();
  return (
    <strong>
      Drop to add these cells to {project.name}
      {caseKey && `, case ${caseKey}`}
    </strong>
  );
}

/** How long the card stays when all files have arrived, milliseconds. */
const STAYS = 6000;
const SAID = { waiting: "waits", sending: "on its way", added: "added", known: "was there", refused: "not taken" };

function Progress() {
  const uploader = useUploader();
  const { files, counts, running, fault } = useUploads();
  const [open, setOpen] = useState(false);
  const [hidden, setHidden] = useState(0);
  const left = counts.waiting + counts.sending;
  // Nothing is left to say once all is well: the card goes by itself.
  useEffect(() => {
    if (running || counts.refused || !files.length) return;
    const timer = setTimeout(() => setHidden(files.length), STAYS);
    return () => clearTimeout(timer);
  }, [running, counts.refused, files.length]);
  if (!files.length || (!running && hidden === files.length)) return null;
  const done = files.length - left;
  return (
    <section className="upload-progress" aria-label="Upload">
      <header>
        <button type="button" className="bin-act" aria-expanded={open} onClick={() => setOpen(!open)}>
          {running ? `Uploading ${done.toLocaleString("en")} of ${files.length.toLocaleString("en")}` : summary(counts)}
        </button>
        {running ? (
          <button type="button" className="bin-act" onClick={() => void uploader.cancel()}>
            stop
          </button>
        ) : (
          <button type="button" className="bin-act" aria-label="Dismiss" onClick={() => setHidden(files.length)}>
            ×
          </button>
        )}
      </header>
      {running && <progress className="thin" value={done} max={files.length} aria-label="Uploaded files" />}
      {fault && <p className="small fault-line">{fault} Trying again…</p>}
      {open && <FileList files={files} />}
    </section>
  );
}

function summary(counts: UploadState["counts"]): string {
  return [
    `${counts.added.toLocaleString("en")} added`,
    counts.known ? `${counts.known.toLocaleString("en")} were there` : "",
    counts.refused ? `${counts.refused.toLocaleString("en")} not taken` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

function FileList({ files }: { files: UploadState["files"] }) {
  const box = useRef<HTMLElement>(null);
  const rows = useVirtualizer({ count: files.length, getScrollElement: () => box.current, estimateSize: () => 24 });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls is reached by keyboard
    <section className="upload-files" ref={box} tabIndex={0} aria-label="Files">
      <ul style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const { name, case: caseKey, state, reason } = files[index]!;
          return (
            <li key={index} style={{ top: start }}>
              <span className="name" title={caseKey ? `${name}, case ${caseKey}` : name}>
                {caseKey && <span className="quiet">{caseKey} · </span>}
                {name}
              </span>
              <span className={state === "refused" ? "refused" : "quiet"}>{reason ?? SAID[state]}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
