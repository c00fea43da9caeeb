import { useCallback, useEffect, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { browserStorage } from "../app/storage";
import { nameOf } from "../cases/inHand";
import { elsewhere, meaning } from "../gallery/keys";
import { useProjectContext, useProjectState } from "../project/context";
import { copied } from "../ui/clipboard";
import { inks, Letter } from "../ui/marks";
import { Loading } from "../ui/states";
import { asText, type Count, counted, full, isBeside, lines, pressed, read, TARGETS, takenBack } from "./count";
import { SOUNDS } from "./sound";
import "./counter.scss";

const QUIET = "hemosight.counter.sound";

/** Counting by key beside the microscope: it labels nothing, and is kept by this browser alone. */
export default function Counter() {
  const { project } = useProjectContext();
  const phase = useProjectState((state) => state.phase);
  const inHand = useProjectState((state) => state.case);
  const labelSet = useProjectState((state) => state.labelSet);
  if (phase === "loading") return <Loading what="Laying out the keys" />;
  const name = `hemosight.counter.${project.id}.${inHand ?? "all"}.${labelSet}`;
  return <Counting key={name} name={name} />;
}

function Counting({ name }: { name: string }) {
  const classes = useProjectState((state) => state.columns.classes);
  const cases = useProjectState((state) => state.columns.cases);
  const inHand = useProjectState((state) => state.case);
  const [count, setCount] = useState<Count>(() => read(browserStorage.getItem(name)));
  const [sound, setSound] = useState(() => browserStorage.getItem(QUIET) === "on");
  const [copy, setCopy] = useState<"done" | "refused" | null>(null);
  const total = counted(count, classes);
  const done = full(count, classes);
  const found = lines(count, classes);
  const text = asText(found, total);

  const keep = useCallback(
    (next: Count) => {
      setCount(next);
      setCopy(null);
      browserStorage.setItem(name, JSON.stringify(next));
    },
    [name],
  );
  const press = useCallback(
    (type: string) => {
      const next = pressed(count, type, classes);
      if (sound) {
        if (next === count) SOUNDS.nothing();
        else if (full(next, classes)) SOUNDS.target();
        else if (isBeside(type, classes)) SOUNDS.apart();
        else SOUNDS.cell();
      }
      if (next !== count) keep(next);
    },
    [count, classes, sound, keep],
  );
  const back = useCallback(() => {
    if (sound) SOUNDS.back();
    keep(takenBack(count));
  }, [count, sound, keep]);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (elsewhere(event.target)) return;
      const command = meaning(event, classes);
      if (command?.do === "undo" || (command?.do === "label" && command.label === null)) back();
      else if (command?.do === "label" && command.label !== "?") press(command.label!);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, [classes, press, back]);

  const last = classes.find((mark) => mark.name === count.cells.at(-1));
  const larger = TARGETS.find((target) => target > count.target);
  return (
    <div className="sheet counter">
      <header className="counter-head">
        <div>
          <h1>Counter</h1>
          <p className="quiet">
            {cases.length > 0 && inHand ? `Case ${nameOf(inHand, cases)}. ` : ""}Every key is a cell seen at the
            microscope. It labels nothing, and is kept in this browser.
          </p>
        </div>
        <p className="counter-total" role="status">
          <b>{total}</b> of{" "}
          <Form.Select
            size="sm"
            aria-label="Stop at"
            value={count.target}
            onChange={(event) => keep({ ...count, target: Number(event.target.value) })}
          >
            {TARGETS.map((target) => (
              <option key={target} value={target}>
                {target}
              </option>
            ))}
          </Form.Select>
        </p>
      </header>
      <progress className="thin" value={Math.min(total, count.target)} max={count.target} aria-label="Counted" />
      {done && (
        <p className="counter-done" role="alert">
          <strong>{count.target} are counted.</strong> Keys count no further.{" "}
          {larger && (
            <Button size="sm" variant="outline-primary" onClick={() => keep({ ...count, target: larger })}>
              Go on to {larger}
            </Button>
          )}
        </p>
      )}
      <div className="counter-keys">
        {found.map(({ mark, cells, share, per100 }) => (
          <button
            type="button"
            key={mark.name}
            className="typed"
            style={inks(mark)}
            disabled={done}
            data-count={cells}
            onClick={() => press(mark.name)}
          >
            <Letter mark={mark} />
            <span className="name">{mark.title}</span>
            <b>{cells}</b>
            <span className="quiet small">
              {share !== null ? `${(100 * share).toFixed(0)}%` : per100 !== null ? `${per100.toFixed(1)} per 100` : "–"}
            </span>
          </button>
        ))}
      </div>
      <div className="counter-acts">
        <Button size="sm" variant="outline-secondary" disabled={!count.cells.length} onClick={back}>
          Take back{last ? ` ${last.title}` : ""} <kbd className="key">⌫</kbd>
        </Button>
        <Button
          size="sm"
          variant="outline-secondary"
          disabled={!count.cells.length}
          onClick={() => {
            void copied(text).then((done) => setCopy(done ? "done" : "refused"));
          }}
        >
          {copy === "done" ? "Copied" : "Copy as text"}
        </Button>
        <Button
          size="sm"
          variant="outline-secondary"
          disabled={!count.cells.length}
          onClick={() => keep({ ...count, cells: [] })}
        >
          Begin anew
        </Button>
        <Form.Check
          type="switch"
          id="counter-sound"
          label="Sound"
          checked={sound}
          onChange={(event) => {
            setSound(event.target.checked);
            browserStorage.setItem(QUIET, event.target.checked ? "on" : "off");
            if (event.target.checked) SOUNDS.cell();
          }}
        />
      </div>
      {copy === "refused" && (
        <div className="counter-text">
          <p role="alert">This browser lets the page copy nothing: copy the text yourself.</p>
          <Form.Control
            as="textarea"
            readOnly
            aria-label="The count as text"
            rows={text.split("\n").length}
            value={text}
            onFocus={(event) => event.currentTarget.select()}
          />
        </div>
      )}
    </div>
  );
}
