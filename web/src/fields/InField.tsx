import { Link } from "react-router";
import { address } from "../api/client";
import type { CellInField } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { useProjectContext } from "../project/context";
import "./fields.scss";

/** The field around a cell that was cut out of one, and the way to the whole of it. */
export function InField({ image, at }: { image: number; at: CellInField }) {
  const { project } = useProjectContext();
  const search = useCaseSearch();
  const share = (value: number) => `${(100 * value) / at.side}%`;
  return (
    <section className="in-field" aria-label="In its field">
      <h3>In its field</h3>
      <Link to={{ pathname: `/projects/${project.id}/fields/${at.field}`, search }} title="Show the whole field">
        <img
          src={address(`/projects/${project.id}/images/${image}/surroundings`)}
          alt={`The field around cell ${image}`}
        />
        <i
          aria-hidden="true"
          style={{
            left: share(at.x - at.left),
            top: share(at.y - at.top),
            width: share(at.width),
            height: share(at.height),
          }}
        />
        <span className="small">whole field</span>
      </Link>
    </section>
  );
}
