import type { ClassShown as Mark, TrustShown } from "../api/schema";
import { Letter } from "../ui/marks";
import { useCaseOfAddress, useFamiliarity, useTrust } from "./familiarity";
import "./foreign.scss";

const percent = (share: number) => `${Math.round(100 * share)}%`;

/** How the case in hand is read: right before people said so, and on cells drawn at random. */
export function Trust({ classes }: { classes: Mark[] }) {
  const inHand = useCaseOfAddress();
  const known = useFamiliarity();
  const found = useTrust(known?.case ?? inHand);
  if (!found || found.asked + found.earlier === 0) return null;
  return (
    <section className="trust" aria-label="Statement of trust">
      <h2>How far to trust it here</h2>
      {found.asked > 0 && (
        <p aria-live="polite">
          Right before you said so:{" "}
          <b>
            {found.last_right} of the last {found.last}
          </b>{" "}
          <span className="quiet">
            ({found.right} of all {found.asked})
          </span>
        </p>
      )}
      {found.checks > 0 ? (
        <p>
          Of {found.checks} {found.checks === 1 ? "cell" : "cells"} drawn at random the model now reads{" "}
          <b>{found.checks_right}</b> right without having learnt them: {percent(found.checks_right / found.checks)}{" "}
          <span className="quiet">
            (95% interval {percent(found.low)} to {percent(found.high)})
          </span>
        </p>
      ) : (
        <p className="quiet">No cell drawn at random has been answered yet; every fourth one after the first ten is.</p>
      )}
      <ByType found={found} classes={classes} where="in this case" />
      {found.in_bulk > 0 && (
        <p className="quiet small">{found.in_bulk} cells were labelled many at once; they measure nothing.</p>
      )}
      {found.earlier > 0 && (
        <p className="quiet small">
          {found.earlier} {found.earlier === 1 ? "answer was" : "answers were"} given while another bundle read this
          project; they measured that one.
        </p>
      )}
      {known && (
        <p className={known.foreign ? "foreign-open" : "quiet"}>
          {known.foreign
            ? `${known.taught} of ${known.wanted} labels; ${known.unfamiliar} of ${known.cells} cells still look like nothing known.`
            : known.to_bundle * 5 >= known.cells && "The model knows this scanner now: the case can be signed."}
        </p>
      )}
    </section>
  );
}

/** Of each type that people named, how many the model had read so before; and the types that nobody named. */
export function ByType({ found, classes, where }: { found: TrustShown; classes: Mark[]; where: string }) {
  const mark = (name: string) => classes.find((one) => one.name === name);
  return (
    <>
      <ul className="trust-types" aria-label="By type">
        {found.by_type.map(({ label, asked, right }) => (
          <li key={label}>
            <Letter mark={mark(label)} /> {mark(label)?.title ?? label}{" "}
            <span className="push">
              {right} of {asked}
            </span>
          </li>
        ))}
      </ul>
      {found.never_seen.length > 0 && (
        <p className="quiet small">
          Never seen {where}: {found.never_seen.map((name) => mark(name)?.title ?? name).join(", ")}.
        </p>
      )}
    </>
  );
}
