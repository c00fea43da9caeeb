import type { CSSProperties } from "react";
import { Form } from "react-bootstrap";
import type { Group } from "./grouping";

interface Props {
  groups: Group[];
  hidden: ReadonlySet<number>;
  onToggle: (group: number) => void;
  /** Whether a share of all cells is said; not of types, whose share is of the leukocytes and stands in the report. */
  shares: boolean;
  /** Select all cells of a group; absent where there is nothing to select. */
  onSelect?: (group: number) => void;
}

/** What the colours mean, how many cells have each, and which of them are shown. */
export function Legend({ groups, hidden, shares, onToggle, onSelect }: Props) {
  const total = groups.reduce((sum, group) => sum + group.count, 0);
  return (
    <ul className="legend" aria-label="Colours">
      {groups.map((group, index) =>
        group.count === 0 && (group.faint || group.letter === "?") ? null : (
          <li key={group.title} className={hidden.has(index) ? "legend-off" : undefined}>
            <Form.Check
              id={`legend-${index}`}
              checked={!hidden.has(index)}
              onChange={() => onToggle(index)}
              aria-label={`Show ${group.title}`}
            />
            <span
              className="letter typed"
              style={{ "--light": group.light, "--dark": group.dark } as CSSProperties}
              aria-hidden="true"
            >
              {group.letter}
            </span>
            {onSelect ? (
              <button
                type="button"
                className="legend-title"
                onClick={() => onSelect(index)}
                disabled={group.count === 0}
                title={`Select ${group.title}`}
              >
                {group.title}
              </button>
            ) : (
              <span className="legend-title">{group.title}</span>
            )}
            <span className="legend-count">{group.count.toLocaleString("en")}</span>
            {shares && (
              <span className="legend-share">{total ? `${Math.round((100 * group.count) / total)}%` : ""}</span>
            )}
          </li>
        ),
      )}
    </ul>
  );
}
