import { useEffect, useRef } from "react";
import { inTree, inUse } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { Letter } from "../ui/marks";

interface Props {
  x: number;
  y: number;
  close: () => void;
  label: (label: string | null) => void;
  agree: () => void;
  /** Put tags on the cells; null for whoever may not. */
  tag: (() => void) | null;
  /** Label the cells as a group; null where that is not to be. */
  group: (() => void) | null;
  /** Put the cells into another case. */
  move: () => void;
  /** Delete the cells; null for whoever may not. */
  remove: (() => void) | null;
}

/** The menu on a cell: every label, for those who would rather point than press. */
export function LabelMenu({ x, y, close, label, agree, tag, group, move, remove }: Props) {
  const classes = inTree(inUse(useProjectState((state) => state.columns.classes)));
  const count = useProjectState((state) => state.selection.size);
  const menu = useRef<HTMLDivElement>(null);
  const act = (what: () => void) => () => {
    close();
    what();
  };

  useEffect(() => {
    menu.current?.querySelector("button")?.focus();
    const away = (event: PointerEvent) => {
      if (!menu.current?.contains(event.target as Node)) close();
    };
    window.addEventListener("pointerdown", away);
    return () => window.removeEventListener("pointerdown", away);
  }, [close]);

  const keys = (event: React.KeyboardEvent) => {
    const items = [...menu.current!.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      close();
    }
    if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
  };

  const left = Math.min(x, window.innerWidth - 220);
  const top = Math.max(8, Math.min(y, window.innerHeight - 40 - 30 * (classes.length + 8)));
  return (
    <div
      className="dropdown-menu show label-menu"
      role="menu"
      aria-label={count > 1 ? `${count} cells are` : "This cell is"}
      ref={menu}
      style={{ left, top }}
      onKeyDown={keys}
      tabIndex={-1}
    >
      <p className="dropdown-header">{count > 1 ? `${count} cells are` : "This cell is"}</p>
      {classes.map((mark) => (
        <button
          key={mark.name}
          type="button"
          role="menuitem"
          className="dropdown-item"
          onClick={act(() => label(mark.name))}
        >
          <Letter mark={mark} /> {mark.title}
        </button>
      ))}
      <button type="button" role="menuitem" className="dropdown-item" onClick={act(() => label("?"))}>
        <Letter mark={null} /> Unsure
      </button>
      <hr className="dropdown-divider" />
      <button type="button" role="menuitem" className="dropdown-item" onClick={act(agree)}>
        Agree with the model
      </button>
      <button type="button" role="menuitem" className="dropdown-item" onClick={act(() => label(null))}>
        Take the label back
      </button>
      {group && count > 1 && (
        <button type="button" role="menuitem" className="dropdown-item" onClick={act(group)}>
          As a group…
        </button>
      )}
      <hr className="dropdown-divider" />
      {tag && (
        <button type="button" role="menuitem" className="dropdown-item" onClick={act(tag)}>
          Tag…
        </button>
      )}
      <button type="button" role="menuitem" className="dropdown-item" onClick={act(move)}>
        Move to another case…
      </button>
      {remove && (
        <button type="button" role="menuitem" className="dropdown-item" onClick={act(remove)}>
          Delete…
        </button>
      )}
    </div>
  );
}

/** What can be done with several selected cells, at the foot of the table. */
export function SelectionBar({
  label,
  agree,
  compare,
  tag,
  group,
  move,
  remove,
}: {
  label: (label: string | null) => void;
  agree: () => void;
  compare: () => void;
  tag: (() => void) | null;
  group: (() => void) | null;
  move: () => void;
  remove: (() => void) | null;
}) {
  const { store } = useProjectContext();
  const classes = inTree(inUse(useProjectState((state) => state.columns.classes)));
  const count = useProjectState((state) => state.selection.size);
  if (count < 2) return null;
  return (
    <div className="selection-bar" role="toolbar" aria-label="Selected cells">
      <b>{count.toLocaleString("en")} selected</b>
      {classes.map((mark) => (
        <button
          key={mark.name}
          type="button"
          title={mark.title}
          aria-label={`Label as ${mark.title}`}
          onClick={() => label(mark.name)}
        >
          <Letter mark={mark} />
        </button>
      ))}
      <button type="button" title="Unsure" aria-label="Label as unsure" onClick={() => label("?")}>
        <Letter mark={null} />
      </button>
      <button type="button" className="bin-act" onClick={agree}>
        agree
      </button>
      <button type="button" className="bin-act" onClick={compare}>
        compare
      </button>
      {group && (
        <button type="button" className="bin-act" onClick={group}>
          as a group…
        </button>
      )}
      {tag && (
        <button type="button" className="bin-act" onClick={tag}>
          tag…
        </button>
      )}
      <button type="button" className="bin-act" onClick={move}>
        move…
      </button>
      {remove && (
        <button type="button" className="bin-act" onClick={remove}>
          delete…
        </button>
      )}
      <button type="button" className="bin-act" aria-label="Select nothing" onClick={() => store.select([])}>
        nothing
      </button>
    </div>
  );
}
