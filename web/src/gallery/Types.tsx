import { Link } from "react-router";
import { useRoom } from "../project/context";
import { inks, Letter } from "../ui/marks";
import type { Arrangement } from "./arrangement";
import { UNSURE_BIN } from "./bins";

/** The types with their counts and keys: the table of contents, and a place to drop what has no room in sight. */
export function Types({ arrangement, jump }: { arrangement: Arrangement; jump: (code: number) => void }) {
  const { project } = useRoom();
  const { names, counts } = arrangement;
  const total = names.reduce((sum, { code, mark }) => sum + (mark ? (counts.get(code) ?? 0) : 0), 0);
  return (
    <nav className="types" aria-label="Types">
      <ul>
        {names.map(({ code, title, mark, label }) => {
          const count = counts.get(code) ?? 0;
          const share = total && mark ? count / total : 0;
          return (
            <li key={code}>
              <button
                type="button"
                className="type-row typed"
                style={inks(mark)}
                data-type-row={code}
                data-drop={label === undefined ? undefined : code}
                onClick={() => jump(code)}
              >
                {mark || code === UNSURE_BIN ? <Letter mark={mark} /> : <span className="letter blank" />}
                <span className="name">{title}</span>
                <span className="count">{count.toLocaleString()}</span>
                <span className="share">{mark ? `${Math.round(100 * share)}%` : ""}</span>
                <span className="bar" aria-hidden="true">
                  <i style={{ width: `${100 * share}%` }} />
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      <Link className="small" to={`/projects/${project.id}/label-sets`}>
        + type
      </Link>
    </nav>
  );
}
