import { Link } from "react-router";
import { address } from "../api/client";
import type { FieldShown } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { profileOf, useProfiles } from "../profiles/profiles";
import { useProjectContext, useProjectState } from "../project/context";
import { Empty, Failure, Loading, Unseen } from "../ui/states";
import { FieldMap } from "./FieldMap";
import { useFieldList } from "./queries";
import { countWords, finderWords } from "./words";
import "./fields.scss";

/** The fields of the case in hand: what was found in each, and whether counting is fair there. */
export default function FieldList() {
  const inHand = useProjectState((state) => state.case);
  const fields = useFieldList(inHand);
  const finder = profileOf(useProfiles(inHand).data)?.finder;
  if (fields.isPending) return <Loading what="Opening the fields" />;
  if (fields.isError) return <Failure fault={fields.error} retry={() => fields.refetch()} />;
  if (!fields.data.length) {
    return (
      <Empty title="No fields here">
        <Unseen title="Fields" />
        <span className="quiet">Fields of view of a camera are added in the review, by “fields of a camera”.</span>
      </Empty>
    );
  }
  const unfair = fields.data.filter(({ fair }) => !fair).length;
  return (
    <div className="field-list">
      <h1>Fields</h1>
      <p className="quiet">
        {fields.data.length.toLocaleString("en")} {fields.data.length === 1 ? "field" : "fields"}
        {unfair ? `, ${unfair} of them not fair to count in` : ", all fair to count in"}.{" "}
        {finder && finderWords(finder)}
      </p>
      <FieldMap fields={fields.data} />
      <ul className="field-rows">
        {fields.data.map((field) => (
          <Row key={field.id} field={field} />
        ))}
      </ul>
    </div>
  );
}

function Row({ field }: { field: FieldShown }) {
  const { project } = useProjectContext();
  const search = useCaseSearch();
  return (
    <li>
      <Link to={{ pathname: `/projects/${project.id}/fields/${field.id}`, search }}>
        <img src={address(`/projects/${project.id}/fields/${field.id}/thumbnail`)} alt="" loading="lazy" />
        <span>
          <b>{field.name}</b>
          <span className="quiet small">
            {countWords(field)}
            {field.checked_at && " · looked at as a whole"}
          </span>
          <span className={field.fair ? "quiet small" : "small unfair"}>{field.fairness}</span>
        </span>
      </Link>
    </li>
  );
}
