import { Link } from "react-router";
import { useCases } from "../api/queries";
import { nameOf } from "../cases/inHand";
import { useProjectContext, useProjectState } from "../project/context";
import { quoted } from "../report/versions";
import { when } from "../ui/time";
import { Amend, Withdraw } from "./Amend";
import { useSigning } from "./queries";
import "./signing.scss";

/** Above the cells of a signed case: that they are locked, or why they are open again. */
export function SignedBanner() {
  const { project } = useProjectContext();
  const inHand = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  const labelSet = useProjectState((state) => state.labelSet);
  // The worklist, which the header shows anyhow, says whether there is something to ask.
  const state = useCases(project.id, cases.length > 0).data?.find(({ id }) => id === inHand)?.state;
  const signing = useSigning(state === "signed" || state === "amended" ? inHand : null, false).data;
  // Other questions about the same cells are not part of what was signed.
  if (!inHand || !signing?.version || labelSet !== "cell_type") return null;
  const may = project.role !== "viewer" && !project.archived;
  const report = <Link to={`/projects/${project.id}/report?case=${inHand}`}>Report</Link>;
  const { amendment, version } = signing;
  if (!amendment) {
    return (
      <div className="signed-banner" role="status">
        <p>
          <strong>Signed, version {version}.</strong> Its cells are locked. Cells that nobody labelled lie where the
          model reads them now; what was signed stands in the {report}.
        </p>
        {may && <Amend ofCase={inHand} name={nameOf(inHand, cases)} />}
      </div>
    );
  }
  return (
    <div className="signed-banner signed-open" role="status">
      <p>
        <strong>Version {version} is being amended</strong> by {amendment.name} since {when(amendment.at)}:{" "}
        {quoted(amendment.reason)} Sign again in the {report}.
      </p>
      {may && <Withdraw ofCase={inHand} />}
    </div>
  );
}
