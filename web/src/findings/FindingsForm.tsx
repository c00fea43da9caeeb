import { useEffect, useState } from "react";
import { Form } from "react-bootstrap";
import { Link } from "react-router";
import { address } from "../api/client";
import type { Findings, TextBlock } from "../api/schema";
import { useProjectContext } from "../project/context";
import { Failure, FaultLine } from "../ui/states";
import { type Change, useFindings, useFindingsChange, useReportSettings } from "./queries";
import {
  ESTIMATES,
  type Estimate,
  GRADES,
  type Grade,
  PLATELETS,
  RED_CELLS,
  restNotSeen,
  withBlock,
  withGrade,
} from "./words";
import "./findings.scss";

/** What the report says besides counts, to be filled in before the case is signed: every change is stored at once. */
export function FindingsForm({
  ofCase,
  may,
  setUnstored,
}: {
  ofCase: number;
  may: boolean;
  /** Told whether the remark on the page is another one than the stored, and stays so when its field is left. */
  setUnstored: (unstored: boolean) => void;
}) {
  const findings = useFindings(ofCase);
  const change = useFindingsChange(ofCase);
  if (!findings.data)
    return findings.isError ? <Failure fault={findings.error} retry={() => findings.refetch()} /> : null;
  const now = findings.data;
  return (
    <section className="findings findings-form" aria-labelledby="findings-title">
      <div className="d-flex gap-2 align-items-baseline">
        <h2 id="findings-title">On the report</h2>
        <span className="quiet small" role="status">
          {change.isPending ? "saving" : change.isSuccess ? "saved" : ""}
        </span>
      </div>
      <Remark
        key={ofCase}
        now={now}
        stale={findings.isError}
        may={may}
        save={(remark, over) => change.mutateAsync(() => ({ remark, over }))}
        setUnstored={setUnstored}
      />
      <Film now={now} may={may} set={change.mutate} />
      <Chosen now={now} may={may} remove={(cell) => change.mutate(() => ({ remove: [cell] }))} />
      <FaultLine fault={change.error} />
    </section>
  );
}

function Remark({
  now,
  stale,
  may,
  save,
  setUnstored,
}: {
  now: Findings;
  /** Whether the service could not be asked what it has: `now` may hold what it refused. */
  stale: boolean;
  may: boolean;
  save: (remark: string, over: string) => Promise<unknown>;
  setUnstored: (unstored: boolean) => void;
}) {
  const { project } = useProjectContext();
  const settings = useReportSettings();
  /** What is being typed, and over which text; null while it is what is stored. */
  const [draft, setDraft] = useState<{ text: string; over: string } | null>(null);
  const [focused, setFocused] = useState(false);
  const text = draft?.text ?? now.remark;
  const open = draft !== null && (stale || draft.text.trim() !== now.remark);
  const theirs = open && !stale && draft.over !== now.remark;
  // Left, and the same by now: stored after all, or by somebody else.
  if (draft !== null && !open && !focused) setDraft(null);
  const blocks = settings.data?.blocks ?? [];
  const store = (remark: string) => {
    setDraft(null);
    const over = stale && draft !== null ? draft.over : now.remark;
    // What could not be stored stays where it was typed.
    if (stale || remark.trim() !== over)
      save(remark.trim(), over).catch(() => setDraft((since) => ({ text: since?.text ?? remark, over })));
  };
  /** Leaving the field, as pressing Sign does, will not store it. */
  const unstored = open && (theirs || !focused);
  useEffect(() => {
    setUnstored(unstored);
    return () => setUnstored(false);
  }, [unstored, setUnstored]);
  // Leaving the field stores what was typed; a reload in the middle of it would lose it.
  useEffect(() => {
    if (!open) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [open]);
  return (
    <Form.Group controlId="findings-remark">
      <Form.Label>Remark</Form.Label>
      <Form.Control
        as="textarea"
        rows={Math.min(10, Math.max(3, text.split("\n").length + 1))}
        maxLength={5000}
        disabled={!may}
        value={text}
        onChange={(event) => setDraft({ text: event.target.value, over: draft?.over ?? now.remark })}
        onFocus={() => setFocused(true)}
        onBlur={() => {
          setFocused(false);
          if (draft !== null && !theirs) store(draft.text);
        }}
      />
      {/* Its line stays where it is empty: a click that leaves the field must meet what it was aimed at. */}
      {!theirs && (
        <p className="small quiet">
          {!open ? "\u00a0" : focused ? "Not stored yet: it is when you leave the field." : "Not stored yet. "}
          {unstored && (
            <button type="button" className="bin-act" onClick={() => store(draft.text)}>
              store it
            </button>
          )}
        </p>
      )}
      {theirs && (
        <p className="fault-line" role="alert">
          Somebody else wrote meanwhile: “{now.remark}”. Yours is not stored yet.{" "}
          <button type="button" className="bin-act" onClick={() => store(draft.text)}>
            keep mine
          </button>
          <button type="button" className="bin-act" onClick={() => setDraft(null)}>
            take theirs
          </button>
        </p>
      )}
      {may &&
        (blocks.length ? (
          <Blocks blocks={blocks} put={(block) => store(withBlock(text, block.text))} />
        ) : (
          project.role === "admin" && (
            <p className="quiet small">
              Texts that are written often become blocks in{" "}
              <Link to={`/projects/${project.id}/settings`}>Settings</Link>.
            </p>
          )
        ))}
    </Form.Group>
  );
}

/** Text blocks by their keys. */
function Blocks({ blocks, put }: { blocks: TextBlock[]; put: (block: TextBlock) => void }) {
  return (
    <fieldset className="findings-blocks">
      <legend className="visually-hidden">Text blocks</legend>
      {blocks.map((block) => (
        <button
          key={block.key}
          type="button"
          className="bin-act"
          title={block.text}
          aria-label={`Insert ${block.key}: ${block.text}`}
          // Before the field loses its focus, which would store the remark without the block.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => put(block)}
        >
          <kbd className="key">{block.key}</kbd> <span>{block.text}</span>
        </button>
      ))}
    </fieldset>
  );
}

interface FilmProps {
  now: Findings;
  may: boolean;
  set: (change: Change) => void;
}

function Film({ now, may, set }: FilmProps) {
  const graded = Object.keys(now.grades).length;
  return (
    <details open={graded > 0 || now.platelets !== null}>
      <summary>
        Red cells and platelets <span className="quiet">{graded ? `${graded} graded` : "not graded"}</span>
      </summary>
      <div className="findings-grades">
        {Object.entries(RED_CELLS).map(([name, title]) => (
          <GradeOf key={name} name={name} title={title} now={now} may={may} set={set} />
        ))}
      </div>
      {may && (
        <button
          type="button"
          className="bin-act"
          onClick={() => set(({ grades }) => ({ grades: restNotSeen(grades) }))}
        >
          set the rest to 0, not seen
        </button>
      )}
      <div className="findings-grades">
        <Form.Group controlId="findings-platelets">
          <Form.Label>Platelets, estimated</Form.Label>
          <Form.Select
            size="sm"
            disabled={!may}
            value={now.platelets ?? ""}
            onChange={({ target }) => {
              const platelets = (target.value || null) as Estimate | null; // now: later the field may show another
              set(() => ({ platelets }));
            }}
          >
            <option value="">not said</option>
            {Object.entries(ESTIMATES).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </Form.Select>
        </Form.Group>
        {Object.entries(PLATELETS).map(([name, title]) => (
          <GradeOf key={name} name={name} title={title} now={now} may={may} set={set} />
        ))}
      </div>
    </details>
  );
}

function GradeOf({ name, title, now, may, set }: FilmProps & { name: string; title: string }) {
  return (
    <Form.Group controlId={`grade-${name}`}>
      <Form.Label>{title}</Form.Label>
      <Form.Select
        size="sm"
        disabled={!may}
        data-graded={now.grades[name]?.startsWith("+") || undefined}
        value={now.grades[name] ?? ""}
        onChange={({ target: { value } }) =>
          set(({ grades }) => ({ grades: withGrade(grades, name, (value || null) as Grade | null) }))
        }
      >
        <option value="">not graded</option>
        {Object.entries(GRADES).map(([grade, word]) => (
          <option key={grade} value={grade}>
            {grade} {word}
          </option>
        ))}
      </Form.Select>
    </Form.Group>
  );
}

function Chosen({ now, may, remove }: { now: Findings; may: boolean; remove: (cell: number) => void }) {
  const { project } = useProjectContext();
  return (
    <div>
      <p className="findings-head">Cells that it shows</p>
      {now.cells.length ? (
        <ul className="findings-cells">
          {now.cells.map((cell) => (
            <li key={cell}>
              <img src={address(`/projects/${project.id}/images/${cell}/thumbnail`)} alt={`Cell ${cell}`} />
              {may && (
                <button type="button" aria-label={`Leave cell ${cell} off the report`} onClick={() => remove(cell)}>
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p className="quiet small">
          None. {may && "Press a crop below, or “on the report” beside a chosen cell at the table."}
        </p>
      )}
    </div>
  );
}
