import { useEffect, useRef, useState } from "react";
import { Button } from "react-bootstrap";
import { address } from "../api/client";
import type { GroupShown } from "../api/schema";
import { inTree, inUse, NONE, rowOf } from "../columns/columns";
import { meaning } from "../gallery/keys";
import { useProjectContext, useProjectState } from "../project/context";
import { inks, Letter, TypeName } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { FaultLine, Unseen } from "../ui/states";
import { type Conflict, type groupsOf, percent } from "./group";
import { useKeys } from "./keys";

interface Props {
  group: GroupShown;
  asked: ReturnType<typeof groupsOf>;
  close: () => void;
}

const saidOf = (group: GroupShown): ReadonlyMap<number, string> =>
  new Map(group.sample.flatMap(({ image, answer }): [number, string][] => (answer == null ? [] : [[image, answer]])));

/** The cells of a sample one by one, then the bound, and whether the group is labelled. */
export function Sample({ group: given, asked, close }: Props) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const types = inTree(inUse(columns.classes));
  const [group, setGroup] = useState(given);
  /** What was said here, saved or on its way. */
  const [said, setSaid] = useState(() => saidOf(given));
  const [waiting, setWaiting] = useState(0);
  const [back, setBack] = useState<number | null>(null);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [undone, setUndone] = useState(false);
  /** The label of each cell that the person knows of: their own, or one they were told of. */
  const [known] = useState(() => {
    const versions = new Map<number, number>();
    for (const { image } of given.sample) {
      const row = rowOf(columns, image);
      if (row >= 0 && (said.has(image) || columns.label[row] === NONE)) versions.set(image, columns.version[row]!);
    }
    return versions;
  });
  const queue = useRef(Promise.resolve());
  const { sample } = group;
  const first = sample.findIndex(({ image }) => !said.has(image));
  const at = back ?? (first < 0 ? null : first);
  const current = at === null ? null : sample[at]!.image;
  const settled = first < 0 && waiting === 0 && group.ended_at === null;
  const wrong = [...said.values()].filter((label) => label !== group.label).length;
  const mark = columns.classes.find((type) => type.name === group.label);

  const give = (label: string) => {
    if (current === null || group.ended_at !== null) return;
    const image = current;
    setSaid((now) => new Map(now).set(image, label));
    // What was warranted before is not what is now.
    setGroup((now) => ({ ...now, bound: null }));
    setBack(null);
    setConflict(null);
    setFault(null);
    setWaiting((now) => now + 1);
    const again = () => setSaid((now) => new Map([...now].filter(([other]) => other !== image)));
    queue.current = queue.current.then(async () => {
      try {
        const answer = await asked.answer(image, label, known.get(image) ?? 0);
        for (const { version } of answer.labels) known.set(image, version);
        for (const one of answer.conflicts) {
          // Somebody labelled it meanwhile: it is asked again, with that told.
          known.set(image, one.version);
          setConflict(one);
          again();
        }
      } catch (fault) {
        setFault(fault);
        again();
      } finally {
        setWaiting((now) => now - 1);
      }
    });
  };
  const step = () => setBack(at === null ? sample.length - 1 : Math.max(0, at - 1));
  useKeys((key, event) => {
    if (group.ended_at !== null) return false;
    const onButton = event.target instanceof HTMLButtonElement;
    const command = meaning(event, columns.classes);
    if (key === "backspace" || key === "arrowleft") step();
    else if (command?.do === "label" && command.label !== null) give(command.label);
    else if (key === "y" || (key === "enter" && !onButton && current !== null)) give(group.label);
    else return false;
    return true;
  });

  // All are answered: what that warrants is the service's to say.
  useEffect(() => {
    if (!settled || group.bound !== null) return;
    let gone = false;
    asked.get(group.id).then(
      (fresh) => {
        if (gone) return;
        setGroup(fresh);
        setSaid(saidOf(fresh));
      },
      (fault: unknown) => !gone && setFault(fault),
    );
    return () => {
      gone = true;
    };
  }, [settled, group.bound, group.id, asked]);

  const end = (ending: Promise<GroupShown>, after: () => void) => {
    setBusy(true);
    setFault(null);
    ending
      .then((fresh) => {
        setGroup(fresh);
        after();
      }, setFault)
      .finally(() => setBusy(false));
  };

  /** With the bound that is on the screen; where it is refused, what the group warrants now is asked for. */
  const accept = () =>
    end(
      asked.accept(group.id, group.bound!).catch((refused: unknown) => {
        setGroup((now) => ({ ...now, bound: null }));
        throw refused;
      }),
      () => {},
    );

  if (group.accepted)
    return (
      <section aria-label="Accepted group" role="status">
        <p>
          {undone ? (
            "Undone. What you said of the sample stays."
          ) : (
            <>
              <TypeName mark={mark} />: {(group.labelled ?? 0).toLocaleString("en")} cells labelled beside the sample,{" "}
              {(group.left ?? 0).toLocaleString("en")} left alone. At least {percent(group.bound ?? 0)} of the group's
              labels are right.
            </>
          )}
        </p>
        <FaultLine fault={fault} />
        <p className="group-acts">
          <Button onClick={close}>Close</Button>
          {!undone && group.undo && group.undo.length > 0 && (
            <Button
              variant="outline-primary"
              disabled={busy}
              onClick={() => {
                setBusy(true);
                asked
                  .undo(group.undo!)
                  .then(() => setUndone(true), setFault)
                  .finally(() => setBusy(false));
              }}
            >
              Undo
            </Button>
          )}
        </p>
      </section>
    );
  return (
    <section aria-label="Sample">
      <p className="quiet small">
        {group.sample.length} cells drawn at random, seed {group.seed} · {said.size - waiting} saved, {wrong} otherwise
        {group.best[wrong] !== undefined && `, so at best at least ${percent(group.best[wrong]!)}`}
        {group.drawn_before > 0 && ` · samples drawn of these cells before: ${group.drawn_before}`}
      </p>
      <FaultLine fault={fault} means="Not saved." />
      {conflict && (
        <p role="status">
          Cell {conflict.image} was labelled {conflict.label ?? "and taken back"} by somebody meanwhile; it is asked
          again.
        </p>
      )}
      {current === null ? (
        <Warranted group={group} saving={waiting > 0 || group.bound === null} />
      ) : (
        <div className="group-cell">
          <Unseen title={`Cell ${at! + 1} of ${sample.length}`} />
          <Picture
            key={current}
            src={address(`/projects/${project.id}/images/${current}/picture`)}
            alt={`Cell ${current}`}
          />
          <p className="typed" style={inks(mark)}>
            {at! + 1} of {sample.length}: is this <Letter mark={mark} /> {mark?.title ?? group.label}?
          </p>
          <div className="group-acts">
            <Button onClick={() => give(group.label)}>
              Yes <kbd className="key">{types.some((type) => type.key === "Y") ? "Enter" : "Y"}</kbd>
            </Button>
            {[...types.filter((type) => type.name !== group.label), null].map((type) => (
              <button
                type="button"
                key={type?.name ?? "?"}
                className="typed group-type"
                style={inks(type)}
                aria-pressed={said.get(current) === (type?.name ?? "?")}
                onClick={() => give(type?.name ?? "?")}
              >
                <kbd className="key">{type?.key ?? "?"}</kbd> {type?.title ?? "Unsure"}
              </button>
            ))}
          </div>
          <div className="group-ahead" aria-hidden="true">
            {sample.slice(at! + 1, at! + 6).map(({ image }) => (
              <Picture key={image} src={address(`/projects/${project.id}/images/${image}/picture`)} alt="" />
            ))}
          </div>
        </div>
      )}
      <p className="group-acts">
        {current === null && (
          <Button disabled={busy || group.bound === null} onClick={accept}>
            Label the group as {mark?.title ?? group.label}
          </Button>
        )}
        <Button variant="outline-primary" disabled={at === 0 || busy} onClick={step}>
          Back <kbd className="key">←</kbd>
        </Button>
        <Button variant="link" disabled={busy} onClick={() => end(asked.giveUp(group.id), close)}>
          Give up
        </Button>
      </p>
      <p className="small quiet mb-0">
        What you say of these cells stays theirs, also where you give up. Closed, the sample waits for you.
      </p>
    </section>
  );
}

function Warranted({ group, saving }: { group: GroupShown; saving: boolean }) {
  if (saving || group.bound === null) return <p role="status">Saving the answers…</p>;
  return (
    <p role="status" className="group-bound">
      {group.right} of {group.sample.length} right: with 95% confidence <b>at least {percent(group.bound)}</b> of the
      labels of this group of {group.cells.toLocaleString("en")} are right.
    </p>
  );
}
