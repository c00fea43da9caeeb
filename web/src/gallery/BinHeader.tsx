import { memo } from "react";
import { NONE } from "../columns/columns";
import { useFamiliarity } from "../foreign/familiarity";
import { useProjectContext, useProjectState } from "../project/context";
import { Letter } from "../ui/marks";
import type { Arrangement } from "./arrangement";
import { UNSURE_BIN } from "./bins";
import { SHARE } from "./Types";

interface Props {
  arrangement: Arrangement;
  index: number;
  mayLabel: boolean;
  /** Label cells as a group, on the word of a sample. */
  onGroup: (images: number[], label: string) => void;
}

/** A bin's name, how many it holds, its key, and what can be done with all of it. */
export const BinHeader = memo(function BinHeader({ arrangement, index, mayLabel, onGroup }: Props) {
  const { store } = useProjectContext();
  const foreign = useFamiliarity()?.foreign ?? false;
  const columns = useProjectState((state) => state.columns);
  const { rows, code, folded } = arrangement.bins[index]!;
  const { title, mark, label } = arrangement.heads[index]!;
  const total = arrangement.counts.get(code) ?? 0;
  const drawn = arrangement.drawn ? (arrangement.drawn.get(code) ?? 0) : undefined;
  const open: number[] = [];
  for (const row of rows) if (columns.label[row] === NONE) open.push(columns.id[row]!);
  const share = arrangement.shares.get(code);

  return (
    <header className="bin-header">
      <button
        type="button"
        className="fold"
        aria-expanded={!folded}
        aria-label={folded ? `Unfold ${title}` : `Fold ${title}`}
        onClick={() => arrangement.fold(code)}
      >
        {folded ? "▸" : "▾"}
      </button>
      <i className="swatch" aria-hidden="true" />
      <h2>{title}</h2>
      <span className="count">
        {rows.length === total
          ? total.toLocaleString("en")
          : `${rows.length.toLocaleString("en")} of ${total.toLocaleString("en")}`}
      </span>
      {drawn !== undefined && drawn !== total && (
        <span className="quiet small">{drawn.toLocaleString("en")} counted</span>
      )}
      <span className="quiet small" title={SHARE}>
        {mark && total > 0 && share !== undefined ? `${Math.round(100 * share)}%` : ""}
      </span>
      {(mark || code === UNSURE_BIN) && <Letter mark={mark} />}
      <span className="push" />
      {mayLabel && mark && label !== undefined && open.length > 0 && (
        <>
          {mark.name === "blast" && (
            <button type="button" className="bin-act alert-act" onClick={() => store.select([open[0]!], open[0])}>
              review each
            </button>
          )}
          <button
            type="button"
            className="bin-act"
            disabled={foreign && open.length > 1}
            title={
              foreign && open.length > 1
                ? "The model does not know this scanner yet: its readings are not agreed with in bulk"
                : `Label these ${open.length} as ${title}`
            }
            onClick={() => void store.agree(open)}
          >
            agree with {open.length === 1 ? "1" : `all ${open.length.toLocaleString("en")}`}
          </button>
          {open.length > 1 && !foreign && (
            <button
              type="button"
              className="bin-act"
              title="Label them on the word of a random sample, and learn how many are right at the least"
              onClick={() => onGroup(open, mark.name)}
            >
              as a group…
            </button>
          )}
        </>
      )}
    </header>
  );
});
