import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate, useSearchParams } from "react-router";
import { address, api, body } from "../api/client";
import type { ClassShown as Mark, NextShown, TrustShown } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { type Columns, inTree, inUse, labelOf, NONE, rowOf } from "../columns/columns";
import { ForeignBanner } from "../foreign/Banner";
import { useFamiliarity, useTrust } from "../foreign/familiarity";
import { Trust } from "../foreign/Trust";
import { elsewhere, meaning } from "../gallery/keys";
import { Notes } from "../gallery/Notes";
import { ScaleFirst } from "../profiles/Adapting";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { SignedBanner } from "../signing/SignedBanner";
import { inks, Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { Sketch } from "../ui/Sketch";
import { Empty, Failure, Loading, Unseen } from "../ui/states";
import { Learning } from "./Learning";
import { answered, extended, renewed, START, STRATEGIES, type Strategy, skipped, step, unlabelled } from "./queue";
import { StandingLabel } from "./StandingLabel";
import "./queue.scss";

/** Cells asked for at once; more are asked for before they run out. */
const AHEAD = 24;
const RENEW_AFTER = 8;
/** While a scanner is new, nearly every answer changes what is worth asking. */
const RENEW_ADAPTING = 2;
/** Bursts of events ask once, milliseconds. */
const TOGETHER = 400;

/** Next to review: one cell at a time, with keys alone. */
export default function Queue() {
  const inHand = useProjectState((state) => state.case);
  const labelSet = useProjectState((state) => state.labelSet);
  // Another case or label set begins its own walk.
  return <Walk key={`${inHand} ${labelSet}`} />;
}

function Walk() {
  const { project, store } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const columns = useProjectState((state) => state.columns);
  const inHand = useProjectState((state) => state.case);
  const search = useCaseSearch();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const [strategy, setStrategy] = useState<Strategy>(params.has("adapt") ? "adapt" : "uncertainty");
  const [walk, setWalk] = useState(START);
  /** Rounds of questions, and where the walk was at the last one: an answer tells nothing of what was skipped after it. */
  const [round, setRound] = useState({ count: 0, at: 0 });
  const ask = useCallback((at: number) => setRound(({ count }) => ({ count: count + 1, at })), []);

  const answer = useQuery({
    queryKey: ["projects", project.id, "next", labelSet, inHand, strategy, round.count],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/next", {
          params: {
            path: { project: project.id },
            query: { label_set: labelSet, case: inHand ?? undefined, strategy, n: AHEAD, skip: skipped(walk) },
          },
          signal,
        }),
      ),
    placeholderData: (before) => before,
    staleTime: Number.POSITIVE_INFINITY,
    // Rounds are counted from 0 on each visit: an answer kept from the last one would ask what was labelled since.
    gcTime: 0,
  });

  const fresh = answer.isPlaceholderData ? undefined : answer.data?.items;
  const [taken, setTaken] = useState<typeof fresh>(undefined);
  useEffect(() => {
    if (!fresh) return;
    // Labels given since the question was asked may be among the answers.
    const open = unlabelled(fresh, store.snapshot().columns);
    setWalk((now) => (now.items.length ? renewed(now, open) : extended(now, open)));
    setTaken(fresh);
  }, [fresh, store]);

  const restart = (chosen: Strategy) => {
    setStrategy(chosen);
    setWalk(START);
    ask(0);
  };

  const current = walk.items[walk.at];
  // What was skipped is asked of nobody: the end is where an answer that left it all out has nothing more.
  const answerTaken = fresh !== undefined && taken === fresh;
  const ended = answerTaken && round.at === walk.at;
  useEffect(() => {
    if (!current && answerTaken && !ended) ask(walk.at);
  }, [current, answerTaken, ended, walk.at, ask]);
  // Cells may come, be read or lose their labels behind the end. The words stay until the answer has some.
  const changes = useFollowed("queue");
  const heard = useRef(changes);
  const over = !current && ended;
  const { refetch } = answer;
  useEffect(() => {
    if (!over || heard.current === changes) return;
    const timer = setTimeout(() => {
      heard.current = changes;
      void refetch();
    }, TOGETHER);
    return () => clearTimeout(timer);
  }, [over, changes, refetch]);
  const adapting = strategy === "adapt";
  const trust = useTrust(inHand);
  const foreign = useFamiliarity()?.foreign ?? false;
  const [goOn, setGoOn] = useState(false);
  const enough = adapting && !goOn && (trust?.enough ?? false);
  const give = useCallback(
    (label: string | null) => {
      if (!current) return;
      void store.label([current.image], label);
      setWalk((now) => {
        const after = answered(now, label);
        // An answer changes what is worth asking next.
        const often = adapting ? RENEW_ADAPTING : RENEW_AFTER;
        if (after.answers.size % often === 0 || after.at >= after.items.length) ask(after.at);
        return after;
      });
    },
    [current, store, adapting, ask],
  );

  const read = current ? readingOf(columns, current) : null;
  const keys = useCallback(
    (event: KeyboardEvent) => {
      if (elsewhere(event.target)) return;
      const command = meaning(event, columns.classes);
      if (command?.do === "label") give(command.label);
      else if (command?.do === "agree" && read && !(event.target instanceof HTMLButtonElement)) give(read.name);
      else if (command?.do === "step" && command.step === "right") setWalk((now) => step(now, 1));
      else if (command?.do === "step" && command.step === "left") setWalk((now) => step(now, -1));
      else if (command?.do === "undo") {
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

  const showOnTable = (images: number[]) => {
    store.select(images);
    navigate({ pathname: `/projects/${project.id}`, search });
  };

  // The next crops are fetched while one looks at this one.
  const coming = walk.items.slice(walk.at + 1, walk.at + 6);
  const picture = (id: number) => address(`/projects/${project.id}/images/${id}/picture`);

  return (
    <div className="queue">
      <Unseen title="Next to review" />
      {/* A key answers and another cell stands here: who does not see it is told. */}
      <p className="visually-hidden" aria-live="polite">
        {current
          ? `Cell ${current.image}, ${read ? `read by model as ${read.title}` : "not read"}`
          : ended && "No cell is left to review"}
      </p>
      <section className="queue-cell" aria-label="Cell to review">
        {enough && trust && <Enough trust={trust} search={search} goOn={() => setGoOn(true)} />}
        {current ? (
          <>
            <p className="queue-why">
              <span className="quiet">
                {walk.at + 1} · {caseOf(columns, current.image)} ·
              </span>{" "}
              {sentence(current.reason)}
            </p>
            <Link
              to={{ pathname: `/projects/${project.id}`, search }}
              className="queue-picture"
              onClick={() => store.select([current.image])}
              title="Show this cell in the gallery"
              aria-label={`Cell ${current.image}: show it in the gallery`}
            >
              <Picture key={current.image} src={picture(current.image)} alt={`Cell ${current.image}`} />
            </Link>
            <Reading read={read} item={current} columns={columns} withheld={foreign} />
            <StandingLabel image={current.image} />
            <Answers
              classes={columns.classes}
              read={read}
              give={give}
              // What was answered here may have been refused, or taken back since.
              answer={unlabelled([current], columns).length ? null : (walk.answers.get(current.image) ?? null)}
            />
          </>
        ) : answer.isError ? (
          <Failure fault={answer.error} retry={() => answer.refetch()} />
        ) : !ended ? (
          <Loading what="Choosing what to ask" />
        ) : (
          <Empty
            title={columns.count ? "Nothing is left to ask" : "There are no cells to ask about"}
            sketch={<Sketch of={columns.count ? "report" : "crops"} />}
          >
            {columns.count ? (
              <Link to={{ pathname: `/projects/${project.id}/report`, search }}>See the report</Link>
            ) : (
              <Link to={{ pathname: `/projects/${project.id}`, search }}>Upload some on the table</Link>
            )}
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
            <Picture key={image} src={picture(image)} alt="" />
          ))}
        </div>
        <div className="queue-foot">
          <Notes show={showOnTable} />
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
        <SignedBanner />
        {adapting ? inHand ? <ScaleFirst inHand={inHand} /> : null : <ForeignBanner />}
        <Trust classes={columns.classes} />
        <Learning answer={answer.data} answers={walk.answers} classes={columns.classes} />
      </aside>
    </div>
  );
}

/** The case that a cell is asked about. */
function caseOf(columns: Columns, image: number): string {
  const row = rowOf(columns, image);
  const found = row < 0 ? undefined : columns.cases.find(({ id }) => id === columns.case[row]);
  return found ? `case ${found.key}` : "of no case";
}

function readingOf(columns: Columns, item: NextShown): Mark | null {
  const row = rowOf(columns, item.image);
  const name =
    row >= 0 && columns.predicted[row] !== NONE ? labelOf(columns.classes, columns.predicted[row]!) : item.predicted;
  return columns.classes.find((mark) => mark.name === name) ?? null;
}

/** The queue has ended: what is known by now, and where to go from here. */
function Enough({ trust, search, goOn }: { trust: TrustShown; search: string; goOn: () => void }) {
  const { project } = useProjectContext();
  const found = useFamiliarity();
  const moved = trust.moved_by_last ?? 0;
  // The share that the service calls little (one open cell in fifty); the limit of answers ends the queue beyond it.
  const little = moved <= Math.max(found?.open ?? 0, 1) / 50;
  return (
    <div className="queue-enough" role="status">
      <p>
        <strong>
          {little ? "More answers would change little." : `${trust.asked} cells are as many as this queue asks.`}
        </strong>{" "}
        Your last eight changed the reading of {moved === 1 ? "1 other cell" : `${moved} other cells`}. The statement of
        trust beside says how far to believe it.
        {found?.foreign &&
          " Too many of its cells are still unlike anything known: the case stays held back until they are labelled too."}
      </p>
      <Link className="btn btn-sm btn-primary" to={{ pathname: `/projects/${project.id}`, search }}>
        To the table
      </Link>{" "}
      <Button size="sm" variant="outline-secondary" onClick={goOn}>
        Ask me more
      </Button>
    </div>
  );
}

interface ReadingProps {
  read: Mark | null;
  item: NextShown;
  columns: Columns;
  /** Whether probabilities are uncalibrated and not shown. */
  withheld: boolean;
}

function Reading({ read, item, columns, withheld }: ReadingProps) {
  const row = rowOf(columns, item.image);
  const probability = withheld ? null : row >= 0 ? columns.probability[row]! : item.probability;
  return (
    <p className="queue-reading typed" style={inks(read)}>
      <Letter mark={read} /> {read?.title ?? "Not read"}
      <span className="quiet">
        {probability !== null && !Number.isNaN(probability) && ` ${probability.toFixed(2)}`} · read by model
      </span>
    </p>
  );
}

interface AnswersProps {
  classes: Mark[];
  read: Mark | null;
  answer: string | null;
  give: (label: string | null) => void;
}

/** The keys that answer, where they act. */
function Answers({ classes, read, answer, give }: AnswersProps) {
  return (
    <div className="queue-answers">
      <Button className="queue-agree" disabled={!read} onClick={() => read && give(read.name)}>
        Agree <kbd className="key">Enter</kbd>
      </Button>
      <div className="queue-types">
        {[...inTree(inUse(classes)), null].map((mark) => (
          <button
            type="button"
            key={mark?.name ?? "?"}
            className="typed"
            style={inks(mark)}
            aria-pressed={answer === (mark?.name ?? "?")}
            onClick={() => give(mark?.name ?? "?")}
          >
            <kbd className="key">{mark?.key ?? "?"}</kbd> {mark?.title ?? "Unsure"}
          </button>
        ))}
      </div>
    </div>
  );
}

function sentence(reason: string): string {
  return reason ? reason[0]!.toUpperCase() + reason.slice(1) : "";
}
