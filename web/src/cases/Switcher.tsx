import { useState } from "react";
import { Dropdown, Form } from "react-bootstrap";
import { Link, useLocation, useNavigate } from "react-router";
import { useCases, useSession } from "../api/queries";
import { useProjectContext, useProjectState } from "../project/context";
import { type CaseInHand, nameOf, searchOf, WITHOUT } from "./inHand";
import { nextCase, STATES } from "./worklist";

/** The case in hand, in the header: its name, the way to the others, and the next one. */
export function Switcher() {
  const { project } = useProjectContext();
  const inHand = useProjectState((state) => state.case);
  const known = useProjectState((state) => state.columns.cases);
  const without = useProjectState((state) => state.withoutCase);
  const cases = useCases(project.id, known.length > 0).data ?? [];
  const me = useSession().data?.user?.id ?? null;
  const [text, setText] = useState("");
  const navigate = useNavigate();
  const { pathname } = useLocation();
  if (!known.length) return null;

  const root = `/projects/${project.id}`;
  // From a screen of the whole project a case opens on the table.
  // One field is of one case: from there another case opens on its list of fields.
  const screen = pathname.startsWith(`${root}/fields`) ? `${root}/fields` : pathname;
  const onCase = ["", "/map", "/next", "/search", "/report", "/look", "/counter", "/fields"].some(
    (below) => screen === root + below,
  );
  const open = (wanted: CaseInHand) => navigate({ pathname: onCase ? screen : root, search: searchOf(wanted, known) });
  const words = text.trim().toLowerCase();
  const stateOf = new Map(cases.map(({ id, state }) => [id, state]));
  const next = nextCase(cases, inHand, me);
  const shown = onCase ? nameOf(inHand, known) : "Choose a case";
  return (
    <div className="case-switcher">
      <Dropdown onToggle={() => setText("")}>
        <Dropdown.Toggle variant="outline-secondary" size="sm" aria-label={`Case in hand: ${shown}`}>
          <span className="case-name">{shown}</span>
        </Dropdown.Toggle>
        <Dropdown.Menu className="case-menu">
          {known.length > 8 && (
            <Form.Control
              size="sm"
              type="search"
              placeholder="Find a case"
              aria-label="Find a case"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
          <div className="case-list">
            {known
              .filter(({ key }) => key.toLowerCase().includes(words))
              .map(({ id, key }) => {
                const state = stateOf.get(id);
                return (
                  <Dropdown.Item key={id} active={onCase && id === inHand} onClick={() => open(id)}>
                    <span className="case-name">{key}</span>
                    <span className="small case-state">{state && STATES[state]}</span>
                  </Dropdown.Item>
                );
              })}
          </div>
          <Dropdown.Divider />
          {without > 0 && (
            <Dropdown.Item active={onCase && inHand === WITHOUT} onClick={() => open(WITHOUT)}>
              Cells without a case <span className="small case-state">{without.toLocaleString("en")}</span>
            </Dropdown.Item>
          )}
          <Dropdown.Item active={onCase && inHand === null} onClick={() => open(null)}>
            All cases <span className="small case-state">to look at, not to sign</span>
          </Dropdown.Item>
          <Dropdown.Item as={Link} to={`${root}/cases`}>
            Worklist
          </Dropdown.Item>
        </Dropdown.Menu>
      </Dropdown>
      {next && onCase && (
        <button type="button" className="bin-act" title={`Next to review: ${next.key}`} onClick={() => open(next.id)}>
          next case
        </button>
      )}
    </div>
  );
}
