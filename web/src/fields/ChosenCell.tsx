import { Button } from "react-bootstrap";
import { Link } from "react-router";
import { address } from "../api/client";
import { useMemberNames } from "../api/queries";
import type { FieldCellShown } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { useProjectContext } from "../project/context";
import { inks } from "../ui/marks";
import { useKindOf } from "./kind";

interface Props {
  box: FieldCellShown;
  may: boolean;
  remove: () => void;
  restore: () => void;
}

/** The cell that was clicked in a field: what it is, and the offer to remove it or bring it back. */
export function ChosenCell({ box, may, remove, restore }: Props) {
  const { project } = useProjectContext();
  const nameOf = useMemberNames(project.id);
  const kind = useKindOf()(box.image);
  const search = useCaseSearch();
  if (box.seen_in !== null) {
    return (
      <section className="field-chosen" aria-label="Cell of another field">
        <p>Another field shows this cell as well, and counts it.</p>
        <Link to={{ pathname: `/projects/${project.id}/fields/${box.seen_in}`, search }}>Show that field</Link>
      </section>
    );
  }
  if (box.image === null && box.removed_at === null) {
    return (
      <section className="field-chosen" aria-label="Cell that is not counted">
        <p>Another field counted this cell, and it was deleted there: it is in no count.</p>
        <Button size="sm" variant="outline-primary" disabled={!may} onClick={restore}>
          Count it here
        </Button>
      </section>
    );
  }
  if (box.image === null) {
    return (
      <section className="field-chosen" aria-label="Removed cell">
        <p>
          Removed as no white cell
          {box.removed_by !== null && ` by ${nameOf(box.removed_by)}`}: it is in no count.
        </p>
        <Button size="sm" variant="outline-primary" disabled={!may} onClick={restore}>
          Bring it back
        </Button>
      </section>
    );
  }
  return (
    <section className="field-chosen typed" style={inks(kind.mark)} aria-label={`Cell ${box.image}`}>
      <img src={address(`/projects/${project.id}/images/${box.image}/picture`)} alt={`Cell ${box.image}`} />
      <p>
        <i className="swatch" aria-hidden="true" /> Cell {box.image}, {kind.words}
      </p>
      <p className="quiet small">
        {box.added_by !== null
          ? `The search missed it; ${nameOf(box.added_by)} added it.`
          : box.score !== null && `Found with a score of ${box.score.toFixed(2)}.`}
        {box.marks.length > 0 && ` Against counting it: ${box.marks.join(", ")}.`}
      </p>
      <p>
        <Link to={{ pathname: `/projects/${project.id}`, search }}>Show in the review</Link>
      </p>
      <Button size="sm" variant="outline-danger" disabled={!may} onClick={remove}>
        No white cell: remove <kbd className="key">Del</kbd>
      </Button>
    </section>
  );
}
