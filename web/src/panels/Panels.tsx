import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate, useSearchParams } from "react-router";
import { api, body } from "../api/client";
import { useCases, useMembers } from "../api/queries";
import type { NewPanel, PanelShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { Sketch } from "../ui/Sketch";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import "./panels.scss";

/** Milliseconds between two looks at how far others have come: readings of a panel tell nobody of themselves. */
export const LOOK_AGAIN = 60_000;

export const panelsKey = (project: number) => ["projects", project, "panels"] as const;

/** Cells of a panel, at most. */
const MOST = 2000;

const CHOICES: [NewPanel["choice"], string][] = [
  ["random", "at random"],
  ["stratified", "evenly of each type that the model reads"],
  ["differing", "first where label and reading differ"],
];

/** Sessions in which several people read the same cells, each by themselves. */
export default function Panels() {
  const { project } = useProjectContext();
  const panels = useQuery({
    queryKey: panelsKey(project.id),
    queryFn: async ({ signal }) =>
      (await body(api.GET("/projects/{project}/panels", { params: { path: { project: project.id } }, signal }))).items,
    refetchInterval: LOOK_AGAIN,
  });
  if (panels.isPending) return <Loading what="Looking for panels" />;
  if (panels.isError) return <Failure fault={panels.error} retry={() => panels.refetch()} />;
  return (
    <article className="sheet panels">
      <header>
        <h1>Panels</h1>
        <p className="quiet">
          Several people read the same cells, blind and each in an order of their own. Readings of a panel are no
          labels: the model learns nothing from them.
        </p>
      </header>
      {panels.data.length === 0 && (
        <Empty title="No panel yet" sketch={<Sketch of="bins" />}>
          <span>A panel lets several people read the same cells blind, and compares what they said.</span>
        </Empty>
      )}
      {panels.data.length > 0 && (
        <table className="panel-list">
          <thead>
            <tr>
              <th>Panel</th>
              <th>Cells</th>
              <th>Readers</th>
              <th>Begun</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {panels.data.map((panel) => (
              <tr key={panel.id}>
                <td>
                  <Link to={`/projects/${project.id}/panels/${panel.id}`}>{panel.title}</Link>
                  {panel.kind === "proficiency" && <span className="quiet"> · marked set</span>}
                </td>
                <td>{panel.cells}</td>
                <td>{panel.readers.map((reader) => `${reader.name} ${reader.done}/${panel.total}`).join(", ")}</td>
                <td className="quiet">{when(panel.created_at)}</td>
                <td>{state(panel)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {project.role === "admin" && <Begin />}
    </article>
  );
}

function state(panel: PanelShown): string {
  if (panel.closed_at) return "closed";
  return panel.readers.every((reader) => reader.done >= panel.total) ? "all read" : "open";
}

function Begin() {
  const { project } = useProjectContext();
  const members = useMembers(project.id);
  const cases = (useCases(project.id).data ?? []).filter(({ images }) => images > 1);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [title, setTitle] = useState("");
  const [cells, setCells] = useState(100);
  // The case in hand is the one that a second read is wanted of.
  const inHand = Number(useSearchParams()[0].get("case")) || null;
  const [ofCase, setOfCase] = useState<number | null>(inHand);
  const [choice, setChoice] = useState<NewPanel["choice"]>("random");
  const [repeated, setRepeated] = useState(10);
  const [kind, setKind] = useState<NewPanel["kind"]>("panel");
  const [aided, setAided] = useState(false);
  const [planted, setPlanted] = useState(0);
  const [timed, setTimed] = useState(false);
  const [chosen, setChosen] = useState<number[]>([]);
  const begin = useMutation({
    mutationFn: (given: NewPanel) =>
      body(api.POST("/projects/{project}/panels", { params: { path: { project: project.id } }, body: given })),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: panelsKey(project.id) });
      navigate(`/projects/${project.id}/panels/${made.id}`);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    begin.mutate({
      title,
      kind,
      cells,
      choice,
      case: cases.some(({ id }) => id === ofCase) ? ofCase : null,
      readers: chosen,
      repeated: repeated / 100,
      aided,
      planted: aided ? planted / 100 : 0,
      timed,
    });
  };
  const people = (members.data ?? []).filter((member) => member.role !== "viewer");
  return (
    <Form className="panel-begin" onSubmit={submit} aria-label="Begin a panel">
      <h2>Begin a panel</h2>
      <Form.Group controlId="panel-title">
        <Form.Label>Title</Form.Label>
        <Form.Control required value={title} onChange={(event) => setTitle(event.target.value)} />
      </Form.Group>
      <Form.Group controlId="panel-cells">
        <Form.Label>Cells</Form.Label>
        <Form.Control
          type="number"
          min={2}
          max={MOST}
          value={cells}
          onChange={(event) => setCells(Number(event.target.value))}
        />
      </Form.Group>
      <Form.Group controlId="panel-case">
        <Form.Label>Of</Form.Label>
        <Form.Select
          value={ofCase ?? ""}
          onChange={(event) => {
            const chosen = cases.find(({ id }) => id === Number(event.target.value));
            setOfCase(chosen?.id ?? null);
            if (chosen) setCells(Math.min(chosen.counted, MOST));
          }}
        >
          <option value="">all cases</option>
          {cases.map(({ id, key, images }) => (
            <option key={id} value={id}>
              case {key} ({images.toLocaleString("en")} cells)
            </option>
          ))}
        </Form.Select>
        <Form.Text>Of one case: a blind second read of it.</Form.Text>
      </Form.Group>
      <Form.Group controlId="panel-choice">
        <Form.Label>Chosen</Form.Label>
        <Form.Select value={choice} onChange={(event) => setChoice(event.target.value as NewPanel["choice"])}>
          {CHOICES.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </Form.Select>
      </Form.Group>
      <Form.Group controlId="panel-repeated">
        <Form.Label>Met twice by each reader, %</Form.Label>
        <Form.Control
          type="number"
          min={0}
          max={50}
          value={repeated}
          onChange={(event) => setRepeated(Number(event.target.value))}
        />
      </Form.Group>
      <Form.Check
        id="panel-marked"
        label="A marked set: cells whose label stands, scored against it (proficiency)"
        checked={kind === "proficiency"}
        onChange={(event) => setKind(event.target.checked ? "proficiency" : "panel")}
      />
      <Form.Check
        id="panel-aided"
        label="Once more afterwards, with the model's reading shown"
        checked={aided}
        onChange={(event) => setAided(event.target.checked)}
      />
      {aided && (
        <Form.Group controlId="panel-planted">
          <Form.Label>Of those shown, wrong on purpose, % (readers are informed)</Form.Label>
          <Form.Control
            type="number"
            min={0}
            max={50}
            value={planted}
            onChange={(event) => setPlanted(Number(event.target.value))}
          />
        </Form.Group>
      )}
      <Form.Check
        id="panel-timed"
        label="Keep how long each reader looks (readers are informed)"
        checked={timed}
        onChange={(event) => setTimed(event.target.checked)}
      />
      <fieldset>
        <legend>Readers</legend>
        {people.map(({ user }) => (
          <Form.Check
            key={user.id}
            id={`panel-reader-${user.id}`}
            label={user.display || user.name}
            checked={chosen.includes(user.id)}
            onChange={(event) =>
              setChosen((now) => (event.target.checked ? [...now, user.id] : now.filter((one) => one !== user.id)))
            }
          />
        ))}
      </fieldset>
      <FaultLine fault={begin.error} />
      <Button type="submit" disabled={begin.isPending || !title.trim() || !chosen.length}>
        Begin
      </Button>
    </Form>
  );
}
