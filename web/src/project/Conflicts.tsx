import { useEffect } from "react";
import { useMemberNames } from "../api/queries";
import { elsewhere, latin } from "../gallery/keys";
import { Letter } from "../ui/marks";
import { useProjectContext, useProjectState } from "./context";

/** How many conflicts are written out; of more, the first ones. */
const SHOWN = 4;
export const KEEP_THEIRS = "1";
export const TAKE_OWN = "2";

/** Cells that somebody else labelled meanwhile: both words, and one key to choose. It stays until one is chosen. */
export function Conflicts() {
  const { project, store } = useProjectContext();
  const conflicts = useProjectState((state) => state.conflicts);
  const classes = useProjectState((state) => state.columns.classes);
  const nameOf = useMemberNames(project.id);
  const open = conflicts.length > 0;
  useEffect(() => {
    if (!open) return;
    const press = (event: KeyboardEvent) => {
      if (elsewhere(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = latin(event);
      if (key !== KEEP_THEIRS && key !== TAKE_OWN) return;
      event.preventDefault();
      void store.resolveConflicts(key === TAKE_OWN);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [open, store]);
  if (!open) return null;

  const word = (label: string | null) => {
    const mark = classes.find(({ name }) => name === label);
    if (label === null) return <b>no label</b>;
    return (
      <b>
        <Letter mark={mark ?? null} /> {mark?.title ?? (label === "?" ? "Unsure" : label)}
      </b>
    );
  };
  const several = conflicts.length > 1;
  return (
    <div className="conflicts" role="alert">
      <p>
        {several ? `${conflicts.length} cells were` : "This cell was"} labelled by somebody else before your label was
        saved. Theirs stands; yours is not saved.
      </p>
      <ul>
        {conflicts.slice(0, SHOWN).map(({ image, own, theirs, by }) => (
          <li key={image}>
            <span className="quiet">Cell {image}:</span> {by === null ? "they" : nameOf(by)} said {word(theirs)}, you
            said {word(own)}
          </li>
        ))}
        {conflicts.length > SHOWN && <li className="quiet">and {conflicts.length - SHOWN} more</li>}
      </ul>
      <div className="conflicts-keys">
        <button type="button" className="btn btn-sm btn-primary" onClick={() => void store.resolveConflicts(false)}>
          Keep {several ? "theirs" : "their label"} <kbd className="key">{KEEP_THEIRS}</kbd>
        </button>
        <button
          type="button"
          className="btn btn-sm btn-outline-secondary"
          onClick={() => void store.resolveConflicts(true)}
        >
          Replace {several ? "theirs" : "it"} by your label <kbd className="key">{TAKE_OWN}</kbd>
        </button>
      </div>
    </div>
  );
}
