import { useState } from "react";

/** A form's copy of what the service has, and whether either has moved away from the other. */
export interface Edited<T> {
  /** What the form shows: what was typed, or what the service has while nobody has changed anything. */
  now: T;
  set: (now: T) => void;
  /** Forget what was typed: it is given up. */
  settle: () => void;
  /** `sent` is saved and the service has `stands`. What was typed since stays, over that. */
  saved: (sent: T, stands: T) => void;
  /** Whether the form says something else than the service. */
  changed: boolean;
  /** Whether somebody else has changed what was typed over. */
  overtaken: boolean;
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** A copy to edit of `given`, which it follows as long as nothing in it was changed. */
export function useEdited<T>(given: T): Edited<T> {
  const [draft, setDraft] = useState<{ now: T; over: T } | null>(null);
  // What was changed back is no change: such a form follows too.
  const typed = draft !== null && !same(draft.now, draft.over) ? draft : null;
  return {
    now: typed ? typed.now : given,
    set: (now) => setDraft({ now, over: typed ? typed.over : given }),
    settle: () => setDraft(null),
    saved: (sent, stands) =>
      setDraft((now) => (now === null || same(now.now, sent) ? null : { now: now.now, over: stands })),
    changed: typed !== null && !same(typed.now, given),
    overtaken: typed !== null && !same(typed.now, given) && !same(typed.over, given),
  };
}

/** Says that somebody else has changed meanwhile what this form is about to replace. */
export function Overtaken({
  edited: { overtaken, settle },
}: {
  edited: Pick<Edited<unknown>, "overtaken" | "settle">;
}) {
  if (!overtaken) return null;
  return (
    <p className="fault-line" role="alert">
      Somebody else has changed these settings meanwhile. Saving puts all of yours in their place.{" "}
      <button type="button" className="bin-act" onClick={settle}>
        take theirs
      </button>
    </p>
  );
}
