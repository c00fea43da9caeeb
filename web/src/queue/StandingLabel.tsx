import { useMemberNames } from "../api/queries";
import { NONE, rowOf } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { inks } from "../ui/marks";

/** The label that a cell has by now, and who gave it: the next answer takes its place, so it must be seen before. */
export function StandingLabel({ image }: { image: number }) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const isPending = useProjectState((state) => state.pending.has(image));
  const nameOf = useMemberNames(project.id);
  const row = rowOf(columns, image);
  const code = row < 0 ? NONE : columns.label[row]!;
  const mark = columns.classes[code];
  // Of a label that waits to be saved, the columns still name who gave the one before.
  const by = row < 0 || isPending ? -1 : columns.labelled_by[row]!;
  return (
    <p className="queue-standing typed" style={inks(mark)} aria-live="polite">
      {code !== NONE && (
        <>
          <i className="swatch" aria-hidden="true" /> Labelled <b>{mark?.title ?? "unsure"}</b>
          {by >= 0 && ` by ${nameOf(by)}`}
        </>
      )}
    </p>
  );
}
