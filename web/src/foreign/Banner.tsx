import { Link } from "react-router";
import { useProjectContext } from "../project/context";
import { useFamiliarity } from "./familiarity";
import "./foreign.scss";

/** Says that the model does not know the scanner of a case, with the numbers, and what to do about it. */
export function ForeignBanner({ chosen }: { chosen?: number | null }) {
  const { project } = useProjectContext();
  const found = useFamiliarity(chosen);
  if (!found?.foreign) return null;
  const { cells, to_bundle, taught, wanted } = found;
  const to = `/projects/${project.id}/next?adapt=1${found.case === null ? "" : `&case=${found.case}`}`;
  return (
    <div className="foreign-banner" role="alert">
      <p>
        <strong>
          {to_bundle.toLocaleString("en")} of {cells.toLocaleString("en")} cells do not look like anything the model
          knows.
        </strong>{" "}
        Its readings are not usable yet: no probabilities are shown, and the case cannot be signed or agreed with in
        bulk.
        {taught > 0 && ` ${taught} of ${wanted} labels of such cells are there.`}
      </p>
      {project.role !== "viewer" && !project.archived && (
        <Link className="btn btn-sm btn-primary" to={to}>
          Adapt to this scanner
        </Link>
      )}
    </div>
  );
}
