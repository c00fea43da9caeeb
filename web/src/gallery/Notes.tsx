import { useEffect } from "react";
import { useProjectContext, useProjectState } from "../project/context";
import type { Note } from "../project/state";

/** How long a note stays, milliseconds; a fault stays until it is dismissed. */
const STAYS = 9000;

/** Quiet lines at the foot of the table: what followed, what clashed, what was not saved. */
export function Notes({ show }: { show: (images: number[]) => void }) {
  const notes = useProjectState((state) => state.notes);
  return (
    <div className="notes" role="status" aria-live="polite">
      {notes.map((note) => (
        <NoteLine key={note.id} note={note} show={show} />
      ))}
    </div>
  );
}

function NoteLine({ note, show }: { note: Note; show: (images: number[]) => void }) {
  const { store } = useProjectContext();
  const classes = useProjectState((state) => state.columns.classes);
  const key = (label: string | null) => classes.find((mark) => mark.name === label)?.key ?? "?";
  useEffect(() => {
    if (note.kind === "fault") return;
    const timer = setTimeout(() => store.dismiss(note.id), STAYS);
    return () => clearTimeout(timer);
  }, [note, store]);

  const pairs = note.pairs?.slice(0, 4).map(({ from, to, count }) => `${count} ${key(from)} → ${key(to)}`);
  const more = (note.pairs?.length ?? 0) - (pairs?.length ?? 0);
  return (
    <p className={`note note-${note.kind}`}>
      <span>
        {note.text}
        {pairs && `: ${pairs.join(", ")}${more > 0 ? ` and ${more} more` : ""}`}
      </span>
      {note.undo && (
        <button type="button" onClick={() => void store.undo()}>
          undo
        </button>
      )}
      {note.images.length > 0 && (
        <button type="button" onClick={() => show(note.images)}>
          show
        </button>
      )}
      <button type="button" aria-label="Dismiss" onClick={() => store.dismiss(note.id)}>
        ×
      </button>
    </p>
  );
}
