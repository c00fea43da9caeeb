import { Dropdown } from "react-bootstrap";
import { Link } from "react-router";
import { useLabelSets, worded } from "../api/queries";
import { useCaseSearch } from "../cases/InHand";
import { useProjectContext, useProjectState } from "../project/context";

/** Which label set the desk shows, and the way to the others. */
export function SetSwitch() {
  const { project, store } = useProjectContext();
  const sets = useLabelSets(project.id).data ?? [];
  const name = useProjectState((state) => state.labelSet);
  const title = useProjectState((state) => state.columns.title);
  const askedOf = useProjectState((state) => state.columns.askedOf);
  const search = useCaseSearch();
  const types = sets.find((set) => set.name === "cell_type")?.classes ?? [];
  const parent = (of: string | null) => types.find((mark) => mark.name === of)?.title ?? of;
  const shown = sets.find((set) => set.name === name)?.title ?? worded(title || name);
  return (
    <Dropdown className="set-switch">
      <Dropdown.Toggle variant="link" size="sm" aria-label={`Label set on the desk: ${shown}`}>
        <span className="set-name">{shown}</span>
      </Dropdown.Toggle>
      <Dropdown.Menu>
        {sets.map((set) => (
          <Dropdown.Item
            as="button"
            key={set.name}
            active={set.name === name}
            onClick={() => void store.useLabelSet(set.name)}
          >
            {set.title} {set.asked_of && <span className="small quiet">of {parent(set.asked_of)}</span>}
          </Dropdown.Item>
        ))}
        <Dropdown.Divider />
        <Dropdown.Item as={Link} to={{ pathname: `/projects/${project.id}/label-sets`, search }}>
          Change and make label sets
        </Dropdown.Item>
      </Dropdown.Menu>
      {askedOf && <p className="small quiet set-asked">asked of {parent(askedOf)} only</p>}
    </Dropdown>
  );
}
