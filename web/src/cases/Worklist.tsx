import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate } from "react-router";
import { api, body } from "../api/client";
import { useCases, useMemberNames, useMembers, useSession } from "../api/queries";
import type { CaseShown } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { Sketch } from "../ui/Sketch";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { ago, when } from "../ui/time";
import { Asks } from "../validation/Drift";
import { CaseForm } from "./CaseForm";
import {
  ANY,
  filtered,
  first,
  flags,
  nextCase,
  pressed,
  reviewed,
  type Sorting,
  STATES,
  since,
  sorted,
  stateOf,
} from "./worklist";
import "./cases.scss";

const COLUMNS: [Sorting, string][] = [
  ["key", "Case"],
  ["cells", "Cells"],
  ["reviewed", "Reviewed"],
  ["flags", "Flags"],
  ["blasts", "Blasts"],
  ["assigned", "Assigned to"],
  ["state", "State"],
  ["age", "Age"],
];

/** What there is to review in a project, case by case. */
export default function Worklist() {
  const { project } = useProjectContext();
  const cases = useCases(project.id);
  const without = useProjectState((state) => state.withoutCase);
  const me = useSession().data?.user?.id ?? null;
  const person = useMemberNames(project.id);
  const members = useMembers(project.id).data ?? [];
  const navigate = useNavigate();
  const [order, setOrder] = useState(first("age"));
  const [wanted, setWanted] = useState(ANY);
  const [edited, setEdited] = useState<CaseShown | null>(null);
  const may = project.role !== "viewer" && !project.archived;

  if (cases.isPending) return <Loading what="Looking up the cases" />;
  if (cases.isError) return <Failure fault={cases.error} retry={() => cases.refetch()} />;
  const shown = sorted(filtered(cases.data, wanted), order, person);
  const next = nextCase(cases.data, null, me);
  const root = `/projects/${project.id}`;
  return (
    <div className="sheet sheet-wide worklist">
      <header className="worklist-head">
        <h1>Cases</h1>
        {next && <Button onClick={() => navigate(`${root}?case=${next.id}`)}>Review next: {next.key}</Button>}
      </header>
      <Asks />
      <div className="worklist-filter">
        <Form.Control
          size="sm"
          type="search"
          placeholder="Case, accession or remark"
          aria-label="Find cases"
          value={wanted.text}
          onChange={(event) => setWanted({ ...wanted, text: event.target.value })}
        />
        <Form.Select
          size="sm"
          aria-label="State"
          value={wanted.state}
          onChange={(event) => setWanted({ ...wanted, state: event.target.value as typeof wanted.state })}
        >
          <option value="any">Every state</option>
          <option value="open">Not signed</option>
          {Object.entries(STATES).map(([state, title]) => (
            <option key={state} value={state}>
              {title.charAt(0).toUpperCase() + title.slice(1)}
            </option>
          ))}
        </Form.Select>
        <Form.Select
          size="sm"
          aria-label="Assigned to"
          value={wanted.assignedTo ?? "any"}
          onChange={({ target: { value } }) =>
            setWanted({ ...wanted, assignedTo: value === "any" ? null : value === "nobody" ? value : Number(value) })
          }
        >
          <option value="any">Anybody's</option>
          {me !== null && <option value={me}>Assigned to me</option>}
          {members
            .filter(({ user }) => user.id !== me)
            .map(({ user }) => (
              <option key={user.id} value={user.id}>
                {user.display || user.name}
              </option>
            ))}
          <option value="nobody">Nobody's</option>
        </Form.Select>
      </div>
      <div className="worklist-scroll">
        <table className="table table-sm">
          <thead>
            <tr>
              {COLUMNS.map(([name, title]) => (
                <th
                  key={name}
                  aria-sort={order.by !== name ? "none" : order.descending ? "descending" : "ascending"}
                  data-column={name}
                >
                  <button type="button" className="bin-act" onClick={() => setOrder(pressed(order, name))}>
                    {title}
                    {order.by === name && <span aria-hidden="true"> {order.descending ? "▾" : "▴"}</span>}
                  </button>
                </th>
              ))}
              <th>
                <span className="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.id}>
                <td data-column="key">
                  <Link to={`${root}?case=${one.id}`}>{one.key}</Link>
                  {one.accession && <span className="quiet small"> {one.accession}</span>}
                </td>
                <td
                  data-column="cells"
                  title={one.counted < one.images ? `${one.counted} of them are counted` : undefined}
                >
                  {one.images.toLocaleString("en")}
                  {one.counted < one.images && <span className="quiet small"> ({one.counted} counted)</span>}
                </td>
                <td data-column="reviewed">
                  <progress
                    className="thin"
                    value={reviewed(one)}
                    max={1}
                    aria-label={`${Math.round(100 * reviewed(one))}% reviewed`}
                  />{" "}
                  {Math.round(100 * reviewed(one))}%
                </td>
                <td className="small" data-column="flags">
                  {flags(one).map(({ text, grave }, at) => (
                    <span key={`${at} ${text}`} className={grave ? "flag-grave" : undefined}>
                      {at > 0 && " · "}
                      {text}
                    </span>
                  ))}
                </td>
                <td data-column="blasts">{one.blasts || ""}</td>
                <td>{one.assigned_to === null ? "" : person(one.assigned_to)}</td>
                <td>
                  <span className={`case-chip case-${one.state}`}>{stateOf(one)}</span>
                </td>
                <td title={when(since(one))}>{ago(since(one))}</td>
                <td className="text-end">
                  {may && (
                    <button
                      type="button"
                      className="bin-act"
                      aria-label={`Change case ${one.key}`}
                      onClick={() => setEdited(one)}
                    >
                      change
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {!shown.length && cases.data.length > 0 && <p className="quiet">No case fits.</p>}
        {!cases.data.length && (
          <Empty title="There are no cases yet" sketch={<Sketch of="crops" />}>
            <span>A case holds the cells of one specimen; it is reviewed and signed as one.</span>
            <span>
              {may && "Add one below, or drop crops "}
              {may && (
                <Link to={root} className="linked">
                  on the table
                </Link>
              )}
              {may && " and name their case there."}
            </span>
          </Empty>
        )}
      </div>
      {without > 0 && (
        <p>
          <Link to={`${root}?case=none`}>
            {without.toLocaleString("en")} {without === 1 ? "cell is" : "cells are"} of no case
          </Link>
          <span className="quiet"> and can be moved into one.</span>
        </p>
      )}
      {may && <NewCase />}
      {edited && <CaseForm key={edited.id} given={edited} close={() => setEdited(null)} />}
    </div>
  );
}

function NewCase() {
  const { project } = useProjectContext();
  const [key, setKey] = useState("");
  const navigate = useNavigate();
  const add = useMutation({
    mutationFn: () =>
      body(
        api.POST("/projects/{project}/cases", { params: { path: { project: project.id } }, body: { key, note: "" } }),
      ),
    onSuccess: () => setKey(""),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Form className="worklist-new" onSubmit={submit}>
      <Form.Label htmlFor="new-case">New case</Form.Label>
      <div className="d-flex gap-2">
        <Form.Control
          id="new-case"
          required
          maxLength={200}
          placeholder="24-1187"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
        <Button type="submit" variant="outline-primary" disabled={add.isPending}>
          Add
        </Button>
        {add.data && (
          <Button variant="link" onClick={() => navigate(`/projects/${project.id}?case=${add.data.id}`)}>
            Open {add.data.key}
          </Button>
        )}
      </div>
      <FaultLine fault={add.error} />
    </Form>
  );
}
