import { useEffect, useRef, useState } from "react";
import { ServiceFault } from "../api/client";
import { useProjectContext, useProjectState } from "../project/context";
import type { Arrangement } from "./arrangement";
import { findCells } from "./finding";

/** How long nothing is typed before it is searched for, milliseconds. */
const PAUSE = 200;

interface Props {
  arrangement: Pick<Arrangement, "filter" | "setFilter">;
  field: React.RefObject<HTMLInputElement | null>;
}

/** Find cells by file name or by number. */
export function FindCells({ arrangement, field }: Props) {
  const { project, store } = useProjectContext();
  const inHand = useProjectState((state) => state.case);
  const [text, setText] = useState("");
  const { setFilter, filter } = arrangement;
  const now = useRef({ setFilter, filter });
  now.current = { setFilter, filter };
  // "Show everything" forgets the search, wherever it was pressed.
  const among = useRef(filter.among);
  useEffect(() => {
    if (among.current && !filter.among) setText("");
    among.current = filter.among;
  }, [filter.among]);

  useEffect(() => {
    const wanted = text.trim();
    const { setFilter, filter } = now.current;
    if (!wanted) {
      if (filter.among) setFilter({ ...filter, among: null });
      return;
    }
    const stop = new AbortController();
    const tell = (kind: "done" | "fault", text: string) => store.notify({ kind, text, images: [], undo: false });
    const timer = setTimeout(async () => {
      try {
        const { images, more } = await findCells(project.id, inHand, wanted, stop.signal);
        // The next letter asks again.
        if (stop.signal.aborted) return;
        const found = new Set(images);
        if (/^#?\d+$/.test(wanted)) found.add(Number(wanted.replace("#", "")));
        now.current.setFilter({ ...now.current.filter, among: found });
        store.select([...found].slice(0, 1));
        if (more) tell("done", `These are the first ${images.length.toLocaleString("en")} cells that fit. Type more.`);
      } catch (fault) {
        if (stop.signal.aborted) return;
        tell("fault", fault instanceof ServiceFault ? `Not searched. ${fault.text}` : "The search failed.");
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text, inHand, project.id, store]);

  return (
    <input
      ref={field}
      type="search"
      className="form-control form-control-sm search"
      placeholder="Search  /"
      aria-label="Search cells by name or number"
      // As much as the service takes.
      maxLength={200}
      value={text}
      onChange={(e) => setText(e.target.value)}
      onKeyDown={(e) => {
        if (e.key === "Escape") {
          setText("");
          e.currentTarget.blur();
        }
        if (e.key === "Enter") e.currentTarget.blur();
      }}
    />
  );
}
