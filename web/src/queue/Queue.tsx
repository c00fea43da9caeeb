import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link } from "react-router";
import { address, get } from "../api/client";
import type { Mark } from "../api/types";
import { Chart } from "../charts/Chart";
import { type Columns, labelOf, NONE, rowOf } from "../columns/columns";
import { elsewhere, meaning } from "../gallery/keys";
import { useDesk, useRoom } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { Empty, Failure, Loading } from "../ui/states";
import { curveFigure } from "./figure";
import {
  extended,
  forecastWords,
  type Next,
  type QueueAnswer,
  renewed,
  START,
  STRATEGIES,
  type Strategy,
  said,
  step,
} from "./queue";
import "./queue.scss";

/** Cells asked for at once; more are asked for before they run out. */
const AHEAD = 24;
const RENEW_AFTER = 8;

/** Next to review: one cell at a time, with keys alone. */
export default function Queue() {
  const { project, store } = useRoom();
  const labelSet = useDesk((desk) => desk.labelSet);
  const columns = useDesk((desk) => desk.columns);
  const [strategy, setStrategy] = useState<Strategy>("uncertainty");
  const [walk, setWalk] = useState(START);
  const [round, setRound] = useState(0);

  const answer = useQuery({
    queryKey: ["projects", project.id, "next", labelSet, strategy, round],
    queryFn: ({ signal }) =>
      get<QueueAnswer>(`/projects/${project.id}/next`, { label_set: labelSet, strategy, n: AHEAD }, signal),
    placeholderData: (before) => before,
    staleTime: Number.POSITIVE_INFINITY,
  });

  const fresh = answer.isPlaceholderData ? undefined : answer.data?.items;
  useEffect(() => {
    // Labels given since the question was asked may be among the answers.
    if (fresh) setWalk((now) => (now.items.length ? renewed(now, fresh) : extended(now, fresh)));
  }, [fresh]);

  const restart = (chosen: Strategy) => {
    setStrategy(chosen);
    setWalk(START);
    setRound((n) => n + 1);
  };

  const current = walk.items[walk.at];
  const give = useCallback(
    (label: string | null) => {
      if (!current) return;
      void store.label([current.image], label);
      setWalk((now) => {
        const after = said(now, label);
        // What was just said changes what is worth asking next.
        if (after.said.size % RENEW_AFTER === 0 || after.at >= after.items.length) setRound((n) => n + 1);
        return after;
      });
    },
    [current, store],
  );

  const read = current ? readingOf(columns, current) : null;
  const keys = useCallback(
    (event: KeyboardEvent) => {
      if (elsewhere(event.target)) return;
      const told = meaning(event, columns.classes);
      if (told?.do === "label") give(told.label);
      else if (told?.do === "agree" && read && !(event.target instanceof HTMLButtonElement)) give(read.name);
      else if (told?.do === "step" && told.step === "right") setWalk((now) => step(now, 1));
      else if (told?.do === "step" && told.step === "left") setWalk((now) => step(now, -1));
      else if (told?.do === "undo") {
        void store.undo();
        setWalk((now) => step(now, -1));
      } else return;
      event.preventDefault();
    },
    [columns.classes, give, read, store],
  );
  useEffect(() => {
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, [keys]);

  // The next crops are fetched while one looks at this one.
  const coming = walk.items.slice(walk.at + 1, walk.at + 6);
  const picture = (id: number) => address(`/projects/${project.id}/images/${id}/picture`);

  if (answer.isError && !walk.items.length) return <Failure fault={answer.error} retry={() => answer.refetch()} />;
  if (!walk.items.length && answer.isPending) return <Loading what="Choosing what to ask" />;
  return (
    <div className="queue">
      <section className="queue-cell" aria-label="Cell to review">
        {current ? (
          <>
            <p className="queue-why">
              <span className="quiet">{walk.at + 1} ·</span> {sentence(current.reason)}
            </p>
            <Link
              to={`/projects/${project.id}`}
              className="queue-picture"
              onClick={() => store.select([current.image])}
              title="Show this cell in the gallery"
            >
              <img key={current.image} src={picture(current.image)} alt={`Cell ${current.image}`} />
            </Link>
            <Reading read={read} item={current} columns={columns} />
            <Answers classes={columns.classes} read={read} give={give} said={walk.said.get(current.image) ?? null} />
          </>
        ) : (
          <Empty title="Nothing is left to ask">
            <Link to={`/projects/${project.id}/report`}>See the report</Link>
          </Empty>
        )}
        <nav className="queue-steps" aria-label="Queue">
          <Button variant="link" size="sm" disabled={walk.at === 0} onClick={() => setWalk((now) => step(now, -1))}>
            <kbd className="key">←</kbd> back
          </Button>
          <Button variant="link" size="sm" disabled={!current} onClick={() => setWalk((now) => step(now, 1))}>
            skip <kbd className="key">→</kbd>
          </Button>
        </nav>
        <div className="queue-ahead" aria-hidden="true">
          {coming.map(({ image }) => (
            <img key={image} src={picture(image)} alt="" />
          ))}
        </div>
      </section>
      <aside className="queue-side">
        <Form.Group controlId="strategy">
          <Form.Label>Ask about</Form.Label>
          <Form.Select size="sm" value={strategy} onChange={(event) => restart(event.target.value as Strategy)}>
            {Object.entries(STRATEGIES).map(([name, { title }]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </Form.Select>
          <Form.Text>{STRATEGIES[strategy].about}</Form.Text>
        </Form.Group>
        <Learning answer={answer.data} said={walk.said} classes={columns.classes} />
      </aside>
    </div>
  );
}

function readingOf(columns: Columns, item: Next): Mark | null {
  const row = rowOf(columns, item.image);
  const name =
    row >= 0 && columns.predicted[row] !== NONE ? labelOf(columns.classes, columns.predicted[row]!) : item.predicted;
  return columns.classes.find((mark) => mark.name === name) ?? null;
}

function Reading({ read, item, columns }: { read: Mark | null; item: Next; columns: Columns }) {
  const row = rowOf(columns, item.image);
  const probability = row >= 0 ? columns.probability[row]! : item.probability;
  return (
    <p className="queue-reading typed" style={inks(read)}>
      <Letter mark={read} /> {read?.title ?? "Not read"}
      {probability !== null && <span className="quiet"> {probability.toFixed(2)} · read by model</span>}
    </p>
  );
}

interface AnswersProps {
  classes: Mark[];
  read: Mark | null;
  said: string | null;
  give: (label: string | null) => void;
}

/** The keys that answer, where they act. */
function Answers({ classes, read, said, give }: AnswersProps) {
  return (
    <div className="queue-answers">
      <Button className="queue-agree" disabled={!read} onClick={() => read && give(read.name)}>
        Agree <kbd className="key">Enter</kbd>
      </Button>
      <div className="queue-types">
        {[...classes, null].map((mark) => (
          <button
            type="button"
            key={mark?.name ?? "?"}
            className="typed"
            style={inks(mark)}
            aria-pressed={said === (mark?.name ?? "?")}
            onClick={() => give(mark?.name ?? "?")}
          >
            <kbd className="key">{mark?.key ?? "?"}</kbd> {mark?.title ?? "Unsure"}
          </button>
        ))}
      </div>
    </div>
  );
}

interface LearningProps {
  answer: QueueAnswer | undefined;
  said: ReadonlyMap<number, string | null>;
  classes: Mark[];
}

function Learning({ answer, said, classes }: LearningProps) {
  const curve = answer?.curve;
  const forecast = answer?.forecast ?? null;
  const figure = useMemo(() => (curve?.length ? curveFigure(curve, forecast) : null), [curve, forecast]);
  const last = curve?.at(-1);
  const wanted = Object.entries(forecast?.by_class ?? {}).filter(([, count]) => count > 0);
  return (
    <section>
      <h2>What your labels have taught</h2>
      {figure && last ? (
        <Chart
          label={`Macro-F1 by number of labels; ${last.macro_f1.toFixed(3)} with ${last.labels} labels`}
          figure={figure}
          height={220}
        />
      ) : (
        <p className="quiet">The curve begins with a few labels of at least two types.</p>
      )}
      {forecast && <p>{forecastWords(forecast)}</p>}
      {wanted.length > 0 && (
        <ul className="queue-wanted" aria-label="Labels still wanted">
          {wanted.map(([name, count]) => {
            const mark = classes.find((type) => type.name === name);
            return (
              <li key={name}>
                <Letter mark={mark} /> {mark?.title ?? name} <span>{count}</span>
              </li>
            );
          })}
        </ul>
      )}
      {said.size > 0 && (
        <p className="quiet small">
          {said.size} {said.size === 1 ? "cell" : "cells"} reviewed here
        </p>
      )}
    </section>
  );
}

function sentence(reason: string): string {
  return reason ? reason[0]!.toUpperCase() + reason.slice(1) : "";
}
