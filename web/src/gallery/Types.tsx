import { lazy, Suspense, useState } from "react";
import { SetSwitch } from "../labelsets/SetSwitch";
import { useProjectContext } from "../project/context";
import { inks, Letter } from "../ui/marks";
import type { Arrangement } from "./arrangement";
import { UNSURE_BIN, UNUSUAL_BIN } from "./bins";

const AddType = lazy(() => import("../labelsets/AddType"));

/** What a percentage beside a type is. */
export const SHARE = "Share of the leukocytes, as the report counts them";

/** Where a type has no share: how it counts. */
const COUNTS = { apart: "apart", excluded: "out" } as const;

/** A count as it is shown: where only drawn cells count, how many of a bin do. */
export const ofDrawn = (count: number, counted: number): string =>
  counted === count ? count.toLocaleString("en") : `${counted.toLocaleString("en")} of ${count.toLocaleString("en")}`;

/** Why percentages and the counts beside them are not of the same cells, where they are not. */
function Notice({ arrangement: { counts, drawn } }: { arrangement: Arrangement }) {
  const unusual = drawn ? (drawn.get(UNUSUAL_BIN) ?? 0) : (counts.get(UNUSUAL_BIN) ?? 0);
  if (!drawn && !unusual) return null;
  const total = [...(drawn?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  return (
    <p className="types-notice quiet small">
      {drawn &&
        `Percentages are of the ${total.toLocaleString("en")} cells that were drawn; pale cells are not counted. `}
      {unusual > 0 &&
        `Percentages count ${unusual === 1 ? "the unusual cell" : `the ${unusual.toLocaleString("en")} unusual cells`} as the model reads them.`}
    </p>
  );
}

/** The types with their counts and keys: the table of contents, and a place to drop what has no room in sight. */
export function Types({
  arrangement,
  jump,
}: {
  arrangement: Arrangement;
  jump: (code: number, byKey: boolean) => void;
}) {
  const { project } = useProjectContext();
  const { names, counts, drawn, shares } = arrangement;
  const [adding, setAdding] = useState(false);
  const top = new Set(names.flatMap(({ mark }) => (mark ? [mark.name] : [])));
  return (
    <nav className="types" aria-label="Types">
      <SetSwitch />
      <ul>
        {names.map(({ code, title, mark, label }) => {
          const count = counts.get(code) ?? 0;
          const share = mark ? shares.get(code) : undefined;
          const finer = mark?.parent && top.has(mark.parent);
          return (
            <li key={code}>
              <button
                type="button"
                className={`type-row typed${finer ? " type-finer" : ""}`}
                style={inks(mark)}
                data-type-row={code}
                data-drop={label === undefined ? undefined : code}
                onClick={({ detail }) => jump(code, detail === 0)}
              >
                {mark || code === UNSURE_BIN ? <Letter mark={mark} /> : <span className="letter blank" />}
                <span className="name">{title}</span>
                <span className="count">{ofDrawn(count, drawn?.get(code) ?? (drawn ? 0 : count))}</span>
                <span className="visually-hidden">{count === 1 ? "cell" : "cells"}</span>
                {/* Of a bin that is no type there is no share, and so nothing to explain. */}
                <span className="share" title={mark ? (mark.counts !== "in" ? COUNTS[mark.counts] : SHARE) : undefined}>
                  {share !== undefined
                    ? `${Math.round(100 * share)}%`
                    : mark && mark.counts !== "in" && COUNTS[mark.counts]}
                </span>
                <span className="bar" aria-hidden="true">
                  <i style={{ width: `${100 * (share ?? 0)}%` }} />
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      <Notice arrangement={arrangement} />
      {project.role !== "viewer" && !project.archived && (
        <button type="button" className="bin-act small add-type" onClick={() => setAdding(true)}>
          + type
        </button>
      )}
      {adding && (
        <Suspense>
          <AddType close={() => setAdding(false)} />
        </Suspense>
      )}
    </nav>
  );
}
