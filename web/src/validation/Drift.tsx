import { useMemo, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link } from "react-router";
import type { DriftChartShown, NewDriftAnswer, ScannerDriftShown } from "../api/schema";
import { Chart } from "../charts/Chart";
import { useProjectContext } from "../project/context";
import { Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import { drawn, driftFigure, newest, promiseWords, rulesWords, standWords, valueWords } from "./drift";
import { useAnswer, useDrift } from "./queries";
import "./validation.scss";

/** Control charts of every scanner: whether what comes still looks as it did when the model was validated. */
export function Drift() {
  const found = useDrift();
  if (found.isPending) return <Loading what="Drawing the control charts" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  return (
    <section aria-label="Drift">
      <h2>Drift</h2>
      <p className="quiet">
        Every signed case is a point on the control charts of its scanner. A flag asks for a look at stain, camera and
        labels, and for a new validation.
      </p>
      {found.data.map((one) => (
        <Scanner key={one.profile} one={one} />
      ))}
    </section>
  );
}

function Scanner({ one }: { one: ScannerDriftShown }) {
  const { project } = useProjectContext();
  const charts = one.charts.filter(drawn);
  return (
    <section className="drift-scanner" aria-label={`Charts of ${one.name}`}>
      <h3>{one.name}</h3>
      <p className="quiet">
        {standWords(one)} {one.promise && charts.length > 0 && promiseWords(one.promise)}
      </p>
      {one.asks && (
        <div className="drift-flags" role="status">
          <strong>
            Validate it anew: {one.flags.length === 1 ? "a flag is" : `${one.flags.length} flags are`} open.
          </strong>
          <ul>
            {one.flags.map((flag) => (
              <li key={`${flag.case}-${flag.chart}`}>
                {flag.title}: case <Link to={`/projects/${project.id}?case=${flag.case}`}>{flag.key}</Link>,{" "}
                {flag.z.toFixed(1)} deviations ({rulesWords(flag.rules)})
              </li>
            ))}
          </ul>
        </div>
      )}
      {one.cases.length > 0 && project.role === "admin" && !project.archived && <Answer one={one} />}
      <div className="drift-charts">
        {charts.map((chart) => (
          <Control key={chart.name} one={one} chart={chart} />
        ))}
      </div>
      {one.answers.length > 0 && (
        <ul className="quiet drift-answers">
          {one.answers.map((answer) => (
            <li key={answer.at}>
              {answer.kind === "validated" ? "Validated anew" : "Explained"} by {answer.name}, {when(answer.at)}:{" "}
              {answer.note}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Control({ one, chart }: { one: ScannerDriftShown; chart: DriftChartShown }) {
  const figure = useMemo(() => driftFigure(one, chart), [one, chart]);
  const last = chart.points.findLast(({ value }) => value !== null);
  const flagged = chart.points.filter(({ rules }) => rules.length).length;
  const said = [
    chart.centre !== null && `usual ${valueWords(chart.kind, chart.centre)}`,
    last?.value != null && `last ${valueWords(chart.kind, last.value)}`,
    flagged > 0 && `${flagged} flagged`,
  ]
    .filter(Boolean)
    .join(", ");
  return (
    <figure>
      <figcaption>
        {chart.title} <span className="quiet">{said}</span>
      </figcaption>
      <Chart label={`${chart.title}: ${said}`} figure={figure} height={150} />
    </figure>
  );
}

/** What became of the flags: their cause was found, or the scanner was validated anew. */
function Answer({ one }: { one: ScannerDriftShown }) {
  const [kind, setKind] = useState<NewDriftAnswer["kind"]>("explained");
  const [note, setNote] = useState("");
  const answer = useAnswer(one.profile);
  return (
    <form
      className="drift-answer"
      aria-label={`Answer for ${one.name}`}
      onSubmit={(event) => {
        event.preventDefault();
        answer.mutate({ kind, note, seen: newest(one) }, { onSuccess: () => setNote("") });
      }}
    >
      <Form.Select
        size="sm"
        aria-label="What became of it"
        value={kind}
        onChange={(event) => setKind(event.target.value as NewDriftAnswer["kind"])}
      >
        <option value="explained">Explained: the cause is gone, what is usual stays</option>
        <option value="validated">Validated anew: the next cases say what is usual</option>
      </Form.Select>
      <Form.Control
        size="sm"
        aria-label="What was found"
        placeholder="What was found"
        required
        maxLength={2000}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
      <Button type="submit" size="sm" variant="outline-primary" disabled={answer.isPending}>
        Note it
      </Button>
      <FaultLine fault={answer.error} />
    </form>
  );
}

/** On the worklist and beside a scanner: that it asks for a new validation. Nothing where none does. */
export function Asks({ profile }: { profile?: number }) {
  const { project } = useProjectContext();
  const found = useDrift().data?.filter((one) => one.asks && (profile === undefined || one.profile === profile)) ?? [];
  if (found.length === 0) return null;
  return (
    <p className="drift-asks" role="status">
      {found.map(({ name }) => name).join(", ")}: control charts ask for a new validation.{" "}
      <Link to={`/projects/${project.id}/validation`}>See the charts</Link>
    </p>
  );
}
