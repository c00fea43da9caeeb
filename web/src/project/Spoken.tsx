import { useEffect, useRef, useState } from "react";
import { useProjectState } from "./context";
import { type Heard, heard } from "./heard";

/** Behind a sentence that is said twice in a row: a live region is read out when its text changes, and only then. */
const AGAIN = "\u00a0";

/** Tells by ear what a key did: on the screen a cell glides to another bin, which nobody hears. */
export function Spoken() {
  const past = useProjectState((state) => state.past);
  const future = useProjectState((state) => state.future);
  const conflicts = useProjectState((state) => state.conflicts.length);
  const selected = useProjectState((state) => state.selection.size);
  const inHand = useProjectState((state) => state.case);
  const classes = useProjectState((state) => state.columns.classes);
  const before = useRef<Heard | null>(null);
  const [text, setText] = useState("");
  useEffect(() => {
    const now = { past, future, conflicts, selected, case: inHand };
    const said = before.current && heard(before.current, now, classes);
    before.current = now;
    if (said) setText((last) => (last === said ? said + AGAIN : said));
  }, [past, future, conflicts, selected, inHand, classes]);
  return (
    <p className="visually-hidden" aria-live="polite" data-said>
      {text}
    </p>
  );
}
