import { useCallback, useLayoutEffect, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate, useSearchParams } from "react-router";
import { address } from "../api/client";
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
import { SignedBanner } from "../signing/SignedBanner";
import { inks, Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { Sketch } from "../ui/Sketch";
import { Empty, Failure, Loading, Unseen } from "../ui/states";
import { Learning } from "./Learning";
import { STRATEGIES, type Strategy, unlabelled } from "./queue";
import { StandingLabel } from "./StandingLabel";
import { useWalk } from "./walk";
import "./queue.scss";

/** Next to review: one cell at a time, with keys alone. */
export default function Queue() {
  const inHand = useProjectState((state) => state.case);
  const labelSet = useProjectState((state) => state.labelSet);
  // Another case or label set begins its own walk.
  return <Walk key={`${inHand} ${labelSet}`} />;
}

function Walk() {
  const { project, store } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const inHand = useProjectState((state) => state.case);
  const search = useCaseSearch();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const first = params.has("adapt") ? "adapt" : "uncertainty";
  const { walk, current, ended, answer, strategy, restart, step, give } = useWalk(first);
  const adapting = strategy === "adapt";
  const trust = useTrust(inHand);
  const foreign = useFamiliarity()?.foreign ?? false;
  const [goOn, setGoOn] = useState(false);
  const enough = adapting && !goOn && (trust?.enough ?? false);

  const read = current ? readingOf(columns, current) : null;
  const keys = useCallback(
    (event: KeyboardEvent) => {
      if (elsewhere(event.target)) return;
      const command = meaning(event, columns.classes);
      if (command?.do === "label") give(command.label);
      else if (command?.do === "agree" && read && !(event.target instanceof HTMLButtonElement)) give(read.name);
      else if (command?.do === "step" && command.step === "right") step(1);
      else if (command?.do === "step" && command.step === "left") step(-1);
      else if (command?.do === "undo") {
        void store.undo();
        step(-1);
      } else return;
      event.preventDefault();
    },
    [columns.classes, give, read, step, store],
  );
  // As the cell is drawn, not after: a key that comes between would be the answer to the cell before.
  useLayoutEffect(() => {
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
          <Button variant="link" size="sm" disabled={walk.at === 0} onClick={() => step(-1)}>
            <kbd className="key">←</kbd> back
          </Button>
          <Button variant="link" size="sm" disabled={!current} onClick={() => step(1)}>
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
