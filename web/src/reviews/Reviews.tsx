import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link } from "react-router";
import { api, body } from "../api/client";
import { save } from "../api/download";
import { useLabelSets, useMemberNames, useMembers } from "../api/queries";
import type { ClassShown as Mark, OverturnedShown, ReviewRow, Reviews as Shown } from "../api/schema";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { DayField } from "../ui/DayField";
import { inks, Letter } from "../ui/marks";
import { Failure, FaultLine, Loading } from "../ui/states";
import { ago, when } from "../ui/time";
import { kappa, midnight, ofSecond, part } from "./figures";
import "./reviews.scss";

type By = "person" | "type" | "case";

/** Who labelled what, what others made of it, and how far readers agree who read blind. */
export default function Reviews() {
  const { project } = useProjectContext();
  const cases = useProjectState((state) => state.columns.cases);
  const without = useProjectState((state) => state.withoutCase);
  const changes = useFollowed("reviews");
  const members = useMembers(project.id);
  const sets = useLabelSets(project.id);
  const nameOf = useMemberNames(project.id);
  const [by, setBy] = useState<By>("person");
  const [labelSet, setLabelSet] = useState("cell_type");
  const [given, setGiven] = useState({ user: "", case: "", since: "", until: "" });
  const query = {
    by,
    label_set: labelSet,
    user: given.user ? Number(given.user) : undefined,
    case: given.case ? Number(given.case) : undefined,
    since: midnight(given.since),
    until: midnight(given.until, 1),
  };
  const found = useQuery({
    queryKey: ["projects", project.id, "reviews", query, changes],
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/reviews", { params: { path: { project: project.id }, query }, signal })),
    placeholderData: (before) => before,
  });
  const take = useMutation({
    mutationFn: () =>
      api.POST("/projects/{project}/reviews/export", {
        params: { path: { project: project.id }, query },
        parseAs: "blob",
      }),
    onSuccess: ({ data }) => save(data as Blob, `reviews-by-${by}.csv`),
  });
  if (found.isPending) return <Loading what="Going through the labels" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  const marks = sets.data?.find(({ name }) => name === labelSet)?.classes ?? [];
  const change = (name: keyof typeof given) => (event: { target: { value: string } }) =>
    setGiven({ ...given, [name]: event.target.value });
  return (
    <article className="sheet sheet-wide reviews">
      <h1>Review of reviews</h1>
      <p className="quiet">
        Labels of each person and what became of them. A label is <i>overturned</i> where the next other label of the
        cell is another person's, <i>revised</i> where it is their own, <i>confirmed</i> where another person gave the
        same after it. Undone labels do not count; a label said again counts once.
      </p>
      <div className="reviews-filter">
        <Field name="Lines">
          <Form.Select size="sm" aria-label="Lines" value={by} onChange={(event) => setBy(event.target.value as By)}>
            <option value="person">a person</option>
            <option value="type">a person and type</option>
            <option value="case">a person and case</option>
          </Form.Select>
        </Field>
        {(sets.data?.length ?? 0) > 1 && (
          <Field name="Label set">
            <Form.Select
              size="sm"
              aria-label="Label set"
              value={labelSet}
              onChange={(event) => setLabelSet(event.target.value)}
            >
              {sets.data!.map(({ name, title }) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </Form.Select>
          </Field>
        )}
        <Field name="Person">
          <Form.Select size="sm" aria-label="Person" value={given.user} onChange={change("user")}>
            <option value="">everybody</option>
            {members.data?.map(({ user }) => (
              <option key={user.id} value={user.id}>
                {user.display || user.name}
              </option>
            ))}
          </Form.Select>
        </Field>
        {cases.length > 0 && (
          <Field name="Case">
            <Form.Select size="sm" aria-label="Case" value={given.case} onChange={change("case")}>
              <option value="">all</option>
              {cases.map(({ id, key }) => (
                <option key={id} value={id}>
                  {key}
                </option>
              ))}
              {without > 0 && <option value="0">cells without a case</option>}
            </Form.Select>
          </Field>
        )}
        <Field name="Given from">
          <DayField label="Given from" value={given.since} change={(since) => setGiven({ ...given, since })} />
        </Field>
        <Field name="until">
          <DayField label="Given until" value={given.until} change={(until) => setGiven({ ...given, until })} />
        </Field>
        <Button size="sm" variant="outline-primary" disabled={take.isPending} onClick={() => take.mutate()}>
          Table (CSV)
        </Button>
        <FaultLine fault={take.error} />
      </div>
      {found.data.rows.length ? (
        <Table rows={found.data.rows} by={by} marks={marks} nameOf={nameOf} />
      ) : (
        <p className="quiet">No label fits.</p>
      )}
      <Overturned found={found.data} marks={marks} nameOf={nameOf} />
      <Blind found={found.data} nameOf={nameOf} />
    </article>
  );
}

function Field({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <span className="small quiet" aria-hidden="true">
        {name}
      </span>
      {children}
    </div>
  );
}

function Type({ name, marks }: { name: string; marks: readonly Mark[] }) {
  const mark = marks.find((one) => one.name === name);
  return (
    <span className="typed" style={inks(mark)}>
      <Letter mark={mark} /> {mark?.title ?? (name === "?" ? "unsure" : name)}
    </span>
  );
}

interface Names {
  marks: readonly Mark[];
  nameOf: (user: number) => string;
}

function Table({ rows, by, marks, nameOf }: Names & { rows: ReviewRow[]; by: By }) {
  return (
    <section className="reviews-table" aria-label="Labels by person">
      <table>
        <thead>
          <tr>
            <th className="word">Person</th>
            {by === "type" && <th className="word">Type</th>}
            {by === "case" && <th className="word">Case</th>}
            <th>Labels</th>
            <th title="Given to many cells at once">At once</th>
            {by !== "type" && <th>Unsure</th>}
            <th title="Labels that say otherwise than the model had read">Changed the reading</th>
            <th>Confirmed</th>
            <th>Overturned</th>
            <th title="By their own author, in a second look most often">Revised</th>
            <th title="A panel decided on another type later">By a panel</th>
            <th title="Confirmed, of the labels that another person confirmed or overturned; 95% interval">
              Agreement with the second reader
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.user} ${row.label} ${row.case}`} data-person={row.user}>
              <th className="word" scope="row">
                {nameOf(row.user)}
              </th>
              {by === "type" && <td className="word">{row.label && <Type name={row.label} marks={marks} />}</td>}
              {by === "case" && <td className="word">{row.case_key ?? <span className="quiet">none</span>}</td>}
              <td>{row.labels.toLocaleString("en")}</td>
              <td>{row.bulk.toLocaleString("en")}</td>
              {by !== "type" && <td>{row.unsure.toLocaleString("en")}</td>}
              <td>{part(row.changed, row.read)}</td>
              <td>{row.confirmed.toLocaleString("en")}</td>
              <td>{row.overturned.toLocaleString("en")}</td>
              <td>{row.revised.toLocaleString("en")}</td>
              <td>{row.by_panel.toLocaleString("en")}</td>
              <td>{ofSecond(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const FATES: Record<OverturnedShown["fate"], string> = {
  overturned: "overturned",
  revised: "revised",
  by_panel: "overturned by a panel",
};

function Overturned({ found, marks, nameOf }: Names & { found: Shown }) {
  const { project, store } = useProjectContext();
  const cases = useProjectState((state) => state.columns.cases);
  const { overturned, overturned_count } = found;
  return (
    <section aria-labelledby="overturned">
      <h2 id="overturned">
        Labels that did not stand <span className="quiet">{overturned_count.toLocaleString("en")}</span>
      </h2>
      {overturned_count > overturned.length && <p className="quiet small">The newest {overturned.length} are shown.</p>}
      {!overturned.length && <p className="quiet">None.</p>}
      <ul className="reviews-gone">
        {overturned.map((one) => (
          <li key={`${one.image} ${one.user} ${one.at}`} data-image={one.image}>
            <Link
              to={{ pathname: `/projects/${project.id}`, search: cases.length ? `?case=${one.case ?? "none"}` : "" }}
              title="Show this cell on the table"
              onClick={() => store.select([one.image])}
            >
              <img src={thumbnail(project.id, one.image)} loading="lazy" alt={`Cell ${one.image}`} />
            </Link>
            <div>
              <p>
                <Type name={one.label} marks={marks} /> <span className="quiet">said</span> {nameOf(one.user)}
              </p>
              <p>
                <Type name={one.other} marks={marks} /> <span className="quiet">said</span>{" "}
                {one.other_by === null ? "a panel" : nameOf(one.other_by)}
              </p>
              <p className="quiet small">
                {FATES[one.fate]}{" "}
                <time dateTime={one.other_at} title={when(one.other_at)}>
                  {ago(one.other_at)}
                </time>
                {one.case_key && ` · ${one.case_key}`}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Blind({ found, nameOf }: Pick<Names, "nameOf"> & { found: Shown }) {
  const { project } = useProjectContext();
  return (
    <section aria-labelledby="blind">
      <h2 id="blind">Blind second reads</h2>
      <p className="quiet">
        At the desk a second reader sees the label that stands, and corrects more often than they confirm. Readers of a{" "}
        <Link to={`/projects/${project.id}/panels`}>panel</Link> do not see one another's readings: begin one of a case
        to have it read blind. Panels count here once they are closed. Labels that look wrong are under{" "}
        <Link to={`/projects/${project.id}/look`}>Second look</Link>.
      </p>
      {found.blind.length > 0 && (
        <div className="reviews-table">
          <table>
            <thead>
              <tr>
                <th className="word">Reader</th>
                <th className="word">Reader</th>
                <th>Cells both read</th>
                <th>Same type</th>
                <th title="Cohen's kappa with its 95% interval">Kappa</th>
              </tr>
            </thead>
            <tbody>
              {found.blind.map((pair) => (
                <tr key={`${pair.one} ${pair.other}`}>
                  <td className="word">{nameOf(pair.one)}</td>
                  <td className="word">{nameOf(pair.other)}</td>
                  <td>{pair.cells.toLocaleString("en")}</td>
                  <td>{pair.share === null ? "–" : `${Math.round(100 * pair.share)}%`}</td>
                  <td>{kappa(pair)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {!found.blind.length && <p className="quiet">No closed panel that two have read is among these.</p>}
    </section>
  );
}
