import { useEffect, useSyncExternalStore } from "react";
import { Link, useLocation } from "react-router";
import { useProjectContext, useProjectState } from "../project/context";
import { follow, keep, kept, reached, STEPS } from "./tour";

/** The tour's line above a project's screens: what to do next. Nothing is covered by it. */
export function Tour() {
  const { project } = useProjectContext();
  const at = useSyncExternalStore(follow, () => kept(project.id));
  return at === null ? null : <Line at={at} />;
}

function Line({ at }: { at: number }) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const chosen = useProjectState((state) => state.chosen);
  const past = useProjectState((state) => state.past);
  const future = useProjectState((state) => state.future);
  const screen = useLocation().pathname.replace(`/projects/${project.id}`, "");
  const next = reached(at, { state: { columns, chosen, past, future }, screen });
  useEffect(() => {
    if (next !== at) keep(project.id, next);
  }, [next, at, project.id]);
  const step = STEPS[next];
  return (
    <aside className="tour" aria-label="Tour">
      <p role="status">
        <b>{step ? `Tour, ${next + 1} of ${STEPS.length}` : "That was the whole way."}</b>{" "}
        {step ? step.say : "From crops to a report. What the other tabs are for, keys and words are in the help."}
      </p>
      {step ? (
        <button type="button" className="bin-act" onClick={() => keep(project.id, next + 1)}>
          skip
        </button>
      ) : (
        <Link className="small" to="/help">
          Help
        </Link>
      )}
      <button type="button" className="bin-act" onClick={() => keep(project.id, null)}>
        {step ? "end the tour" : "close"}
      </button>
    </aside>
  );
}
