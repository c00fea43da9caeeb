import { type FormEvent, useState } from "react";
import { Dropdown, Form } from "react-bootstrap";
import { useProjectContext } from "../project/context";
import type { Arrangement } from "./arrangement";
import { filterOf, forget, save, savedViews, type View } from "./views";

interface Props {
  arrangement: Arrangement;
  size: number;
  setSize: (size: number) => void;
}

/** The views of this browser: take one up, keep the present one under a name, forget one. */
export function Views({ arrangement, size, setSize }: Props) {
  const { project } = useProjectContext();
  const [views, setViews] = useState(() => savedViews(project.id));
  const [name, setName] = useState("");
  const { filter, sort, unusualApart } = arrangement;
  const take = (view: View) => {
    arrangement.setSort(view.sort);
    arrangement.setFilter(filterOf(view));
    arrangement.setUnusualApart(view.unusualApart);
    setSize(view.size);
  };
  const keep = (event: FormEvent) => {
    event.preventDefault();
    const { who, certainty, unusual } = filter;
    setViews(save(project.id, { name: name.trim(), sort, filter: { who, certainty, unusual }, unusualApart, size }));
    setName("");
  };
  return (
    <Dropdown autoClose="outside">
      <Dropdown.Toggle variant="link" size="sm">
        views
      </Dropdown.Toggle>
      <Dropdown.Menu className="views-menu">
        {views.length === 0 && <p className="quiet small">Sorting, filter and size, kept under a name.</p>}
        {views.map((view) => (
          <div key={view.name} className="views-row">
            <Dropdown.Item onClick={() => take(view)}>{view.name}</Dropdown.Item>
            <button
              type="button"
              className="bin-act"
              aria-label={`Forget the view ${view.name}`}
              onClick={() => setViews(forget(project.id, view.name))}
            >
              ×
            </button>
          </div>
        ))}
        <form onSubmit={keep}>
          <Form.Control
            size="sm"
            required
            pattern=".*\S.*"
            maxLength={40}
            placeholder="Keep this view as"
            aria-label="Keep this view as"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="bin-act">
            keep
          </button>
        </form>
      </Dropdown.Menu>
    </Dropdown>
  );
}
