import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { Dropdown, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { names } from "../api/queries";
import type { LabelSetShown as LabelSet, ClassShown as Mark } from "../api/schema";
import { inTree, inUse } from "../columns/columns";
import { useProjectContext } from "../project/context";
import { useFollowed } from "../project/follows";
import { Letter } from "../ui/marks";
import { FaultLine } from "../ui/states";
import { when } from "../ui/time";
import { COUNTINGS, type Counting, edited, keyRefused, type TypeChange } from "./types";

/** The types of a label set: renamed, given other keys, counted otherwise, merged, retired; and what was done to them. */
export function TypesEditor({ set }: { set: LabelSet }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const params = { path: { project: project.id, label_set: set.id } };
  const changes = useFollowed("typeHistory");
  const history = useQuery({
    queryKey: [...names.typeHistory(project.id, set.id), changes],
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/label-sets/{label_set}/history", { params, signal })),
  });
  const change = useMutation({
    mutationFn: ({ name, given }: { name: string; given: TypeChange }) =>
      body(
        api.PATCH("/projects/{project}/label-sets/{label_set}/types/{name}", {
          params: { path: { ...params.path, name } },
          body: given,
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: names.labelSets(project.id) }),
  });
  const tell = useMutation({
    mutationFn: (level: LabelSet["level"]) =>
      body(api.PATCH("/projects/{project}/label-sets/{label_set}", { params, body: { level } })),
    onSettled: () => queries.invalidateQueries({ queryKey: names.labelSets(project.id) }),
  });
  const title = (name: string) => set.classes.find((mark) => mark.name === name)?.title ?? name;
  return (
    <div className="types-editor">
      <table className="table">
        <caption className="visually-hidden">Types of {set.title}</caption>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Key</th>
            <th scope="col">Cells</th>
            <th scope="col">Counts</th>
            <th scope="col">Is a kind of</th>
            <th scope="col">
              <span className="visually-hidden">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {inTree(set.classes).map((mark) => (
            <TypeRow
              key={`${mark.name} ${mark.title}`}
              set={set}
              mark={mark}
              title={title}
              change={(given) => change.mutate({ name: mark.name, given })}
            />
          ))}
        </tbody>
      </table>
      {set.classes.some(({ parent }) => parent) && (
        <Form.Group className="types-level" controlId={`level-${set.id}`}>
          <Form.Label>The report tells</Form.Label>
          <Form.Select
            size="sm"
            value={set.level}
            onChange={(event) => tell.mutate(event.target.value as LabelSet["level"])}
          >
            <option value="subtype">each type by itself</option>
            <option value="type">upper types, with their finer ones</option>
          </Form.Select>
        </Form.Group>
      )}
      <FaultLine fault={change.error ?? tell.error} />
      {history.data && history.data.items.length > 0 && (
        <details>
          <summary className="small">History</summary>
          <ul className="type-history small">
            {history.data.items.map((edit) => (
              <li key={edit.id}>
                <span className="quiet">{when(edit.at)}</span> {edit.user?.name ?? "the service"}: {edited(edit, title)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

interface RowProps {
  set: LabelSet;
  mark: Mark;
  title: (name: string) => string;
  change: (given: TypeChange) => void;
}

function TypeRow({ set, mark, title, change }: RowProps) {
  const [name, setName] = useState(mark.title);
  useEffect(() => setName(mark.title), [mark.title]);
  const gone = mark.retired || mark.merged_into;
  const others = inUse(set.classes).filter((one) => one.name !== mark.name);
  const finer = mark.parent && set.classes.some((one) => one.name === mark.parent);
  // One that has finer types itself stands at the top.
  const below = others.some(({ parent }) => parent === mark.name);
  const rename = () => {
    const wanted = name.trim();
    if (!wanted) setName(mark.title);
    else if (wanted !== mark.title) change({ title: wanted });
  };
  return (
    <tr className={gone ? "type-gone" : ""} data-type={mark.name}>
      <th scope="row" className={finer ? "type-finer" : ""}>
        {!gone && <Letter mark={mark} />}
        <Form.Control
          size="sm"
          aria-label={`Name of ${mark.title}`}
          value={name}
          maxLength={60}
          disabled={Boolean(gone)}
          onChange={(event) => setName(event.target.value)}
          onBlur={rename}
          onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
        />
      </th>
      <td>{!gone && <KeyField set={set} mark={mark} change={change} />}</td>
      <td>{set.labelled[mark.name] ?? 0}</td>
      <td>
        {mark.merged_into ? (
          <span className="quiet">as {title(mark.merged_into)}</span>
        ) : (
          <Form.Select
            size="sm"
            aria-label={`How ${mark.title} counts`}
            value={mark.counts}
            onChange={(event) => change({ counts: event.target.value as Counting })}
          >
            {(Object.keys(COUNTINGS) as Counting[]).map((counts) => (
              <option key={counts} value={counts}>
                {COUNTINGS[counts]}
              </option>
            ))}
          </Form.Select>
        )}
      </td>
      <td>
        {!gone && (
          <Form.Select
            size="sm"
            aria-label={`What ${mark.title} is a kind of`}
            value={mark.parent ?? ""}
            disabled={below}
            onChange={(event) => change({ parent: event.target.value || null })}
          >
            <option value="">–</option>
            {others
              .filter(({ parent }) => !parent)
              .map((one) => (
                <option key={one.name} value={one.name}>
                  {one.title}
                </option>
              ))}
          </Form.Select>
        )}
      </td>
      <td className="text-end">
        {gone ? (
          <button
            type="button"
            className="bin-act"
            aria-label={`Take up ${mark.title} again`}
            onClick={() => change(mark.merged_into ? { merged_into: null } : { retired: false })}
          >
            take up again
          </button>
        ) : (
          <Dropdown align="end">
            <Dropdown.Toggle variant="link" size="sm" aria-label={`More for ${mark.title}`}>
              more
            </Dropdown.Toggle>
            <Dropdown.Menu className="type-more" popperConfig={{ strategy: "fixed" }}>
              <Dropdown.Item as="button" onClick={() => change({ retired: true })}>
                Retire
              </Dropdown.Item>
              <Dropdown.Divider />
              <Dropdown.Header>Merge into</Dropdown.Header>
              {inTree(others).map((one) => (
                <Dropdown.Item as="button" key={one.name} onClick={() => change({ merged_into: one.name })}>
                  {one.title}
                </Dropdown.Item>
              ))}
            </Dropdown.Menu>
          </Dropdown>
        )}
      </td>
    </tr>
  );
}

/** The key of a type, the nine upper ones' too; one that is another's is told, and the type keeps its own. */
function KeyField({ set, mark, change }: Pick<RowProps, "set" | "mark" | "change">) {
  const [key, setKey] = useState(mark.key);
  useEffect(() => setKey(mark.key), [mark.key]);
  const id = useId();
  const refused = key && key !== mark.key ? keyRefused(set.classes, mark.name, key) : null;
  const take = () => {
    if (key && key !== mark.key && !refused) change({ key });
    else setKey(mark.key);
  };
  return (
    <>
      <Form.Control
        size="sm"
        className="type-key"
        aria-label={`Key of ${mark.title}`}
        aria-describedby={refused ? id : undefined}
        isInvalid={refused !== null}
        autoComplete="off"
        // Types beyond the keyboard have a number from 10 on.
        maxLength={2}
        value={key}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setKey(event.target.value.trim().toUpperCase())}
        onBlur={take}
        onKeyDown={(event) => event.key === "Enter" && take()}
      />
      {refused && (
        <span id={id} role="alert" className="type-key-refused small">
          {refused}
        </span>
      )}
    </>
  );
}
