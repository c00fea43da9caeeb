import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useLayoutEffect, useMemo, useState } from "react";
import { Button, Form, ProgressBar } from "react-bootstrap";
import { Link, useNavigate } from "react-router";
import { address, api, body, ServiceFault } from "../api/client";
import type { LookLabel, SearchShown } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { inTree, inUse, labelOf, rowOf } from "../columns/columns";
import { elsewhere, latin } from "../gallery/keys";
import { Notes } from "../gallery/Notes";
import { useProjectContext, useProjectState } from "../project/context";
import { useStaled } from "../project/staled";
import { StandingLabel } from "../queue/StandingLabel";
import "../queue/queue.scss";
import { Picture } from "../ui/Picture";
import { Sketch } from "../ui/Sketch";
import { Empty, Failure, FaultLine, Loading, Unseen } from "../ui/states";
import { lead, percent, progress, SHARES } from "./search";

/** The type that is sought at first, where the label set has it. */
const USUAL = "blast";

/** Whether the service refuses a look because other cells are to be looked at by now. */
const turnIsOver = (fault: unknown) => fault instanceof ServiceFault && fault.fault.code === "in_the_way";

/** Search for a rare type: the likeliest cells first, then random ones until the answer is sure. */
export default function Search() {
  const inHand = useProjectState((state) => state.case);
  const labelSet = useProjectState((state) => state.labelSet);
  return <Sought key={`${inHand} ${labelSet}`} />;
}

function Sought() {
  const { project, store } = useProjectContext();
  const queries = useQueryClient();
  const labelSet = useProjectState((state) => state.labelSet);
  const classes = useProjectState((state) => state.columns.classes);
  const inHand = useProjectState((state) => state.case);
  const search = useCaseSearch();
  const navigate = useNavigate();
  const [chosen, setChosen] = useState<string | null>(null);
  const [below, setBelow] = useState(0.01);
  /** The cell that was looked at last, and whether it is on screen again. */
  const [last, setLast] = useState<number | null>(null);
  const [again, setAgain] = useState(false);
  const target = chosen ?? classes.find(({ name }) => name === USUAL)?.name ?? classes[0]?.name ?? USUAL;
  const mark = classes.find(({ name }) => name === target);
  const mayLook = project.role !== "viewer";

  const key = useMemo(
    () => ["projects", project.id, "search", labelSet, inHand, target, below],
    [project.id, labelSet, inHand, target, below],
  );
  const answer = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/search", {
          params: {
            path: { project: project.id },
            query: { label_set: labelSet, case: inHand ?? undefined, target, below },
          },
          signal,
        }),
      ),
    enabled: classes.length > 0,
    // What was looked at elsewhere meanwhile is not asked again.
    gcTime: 0,
  });
  const state = answer.data;
  // The cell in hand stays until it is answered: under a finger that is about to press, no news puts another.
  const [held, setHeld] = useState<number | null>(null);
  const first = state?.items[0]?.image ?? null;
  if (held === null && first !== null) setHeld(first);
  const current = (again ? last : null) ?? held ?? undefined;

  const renew = () => {
    setHeld(null);
    void queries.resetQueries({ queryKey: key });
  };
  const look = useMutation({
    mutationFn: async ({ image, found }: { image: number; found: boolean }) => {
      const ask = (label?: LookLabel) =>
        body(
          api.POST("/projects/{project}/search", {
            params: { path: { project: project.id } },
            body: { label_set: labelSet, case: inHand, target, image, found, below, label },
          }),
        );
      const { columns } = store.snapshot();
      const row = rowOf(columns, image);
      if (!found || row < 0 || labelOf(columns.classes, columns.label[row]!) === target) return ask();
      // What was found is a label as well: it counts, and teaches. What is another type stays unsaid. Both go in one
      // request, so that neither is kept without the other; the store sends it again where the line broke.
      let after: SearchShown | "alone" | null = null;
      await store.label([image], target, "set", async (labels) => {
        try {
          const shown = await ask({ request: labels.request, version: labels.items[0]!.version });
          after = shown;
          return shown.labels ?? { labels: [], conflicts: [], undo: [], taught_until: 0 };
        } catch (fault) {
          if (!turnIsOver(fault)) throw fault;
          // The looks of somebody else have moved the search on. What was found in the cell holds all the same.
          const answer = await body(
            api.POST("/projects/{project}/labels", { params: { path: { project: project.id } }, body: labels }),
          );
          after = "alone";
          return answer;
        }
      });
      return after;
    },
    // An answer that is under way may be older than the one to the look.
    onMutate: () => queries.cancelQueries({ queryKey: key }),
    onSuccess: (after: SearchShown | "alone" | null, { image }) => {
      if (after === null || after === "alone") return renew(); // refused, which the store has said, or none of its looks
      queries.setQueryData(key, after);
      setHeld((now) => (now === image ? null : now));
      setLast(image);
      setAgain(false);
    },
    onError: (fault) => {
      if (fault instanceof ServiceFault && !fault.offline && fault.status < 500) renew();
    },
  });
  const { mutate, isPending } = look;
  useStaled("search", key, true, isPending);
  const say = useCallback(
    (found: boolean) => {
      if (current !== undefined && mayLook && !isPending) mutate({ image: current, found });
    },
    [current, mayLook, isPending, mutate],
  );
  const keys = useCallback(
    (event: KeyboardEvent) => {
      if (elsewhere(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = latin(event).toLowerCase();
      if (key === "y") say(true);
      else if (key === "n") say(false);
      else if (event.key === "ArrowLeft") setAgain(last !== null);
      else if (event.key === "ArrowRight") setAgain(false);
      else return;
      event.preventDefault();
    },
    [say, last],
  );
  // As the cell is drawn, not after: a key that comes between would be the answer to the cell before.
  useLayoutEffect(() => {
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, [keys]);

  // News that do not come leave the cell in hand where it is.
  if (answer.isLoadingError) return <Failure fault={answer.error} retry={() => answer.refetch()} />;
  if (!state) return <Loading what="Ranking the cells" />;
  const picture = (image: number) => address(`/projects/${project.id}/images/${image}/picture`);
  const done = progress(state);
  const title = mark?.title ?? target;
  return (
    <div className="queue">
      <Unseen title="Search" />
      <section className="queue-cell" aria-label={`Search for ${title}`}>
        {current !== undefined ? (
          <>
            <p className="queue-why">{again ? "The cell before" : lead(state)}</p>
            <Link
              to={{ pathname: `/projects/${project.id}`, search }}
              className="queue-picture"
              onClick={() => store.select([current])}
              title="Show this cell in the gallery"
              aria-label={`Cell ${current}: show it in the gallery`}
            >
              <Picture key={current} src={picture(current)} alt={`Cell ${current}`} />
            </Link>
            <StandingLabel image={current} />
            <div className="queue-answers">
              <Button disabled={!mayLook || isPending} onClick={() => say(true)}>
                {title} <kbd className="key">Y</kbd>
              </Button>{" "}
              <Button variant="outline-secondary" disabled={!mayLook || isPending} onClick={() => say(false)}>
                Not {title} <kbd className="key">N</kbd>
              </Button>
            </div>
            <FaultLine fault={look.error} />
            {look.data === "alone" && (
              <p className="small quiet" role="status">
                The last cell got its label, but is no look of this search: others had taken it further meanwhile.
              </p>
            )}
          </>
        ) : (
          <Empty title="Every cell was looked at" sketch={<Sketch of="report" />}>
            <Link to={{ pathname: `/projects/${project.id}/report`, search }}>See the report</Link>
          </Empty>
        )}
        <nav className="queue-steps" aria-label="Search">
          <Button variant="link" size="sm" disabled={last === null || again} onClick={() => setAgain(true)}>
            <kbd className="key">←</kbd> the one before
          </Button>
        </nav>
        <div className="queue-ahead" aria-hidden="true">
          {state.items
            .filter(({ image }) => image !== held)
            .slice(0, 5)
            .map(({ image }) => (
              <Picture key={image} src={picture(image)} alt="" />
            ))}
        </div>
        <div className="queue-foot">
          <Notes
            show={(images) => {
              store.select(images);
              navigate({ pathname: `/projects/${project.id}`, search });
            }}
          />
        </div>
      </section>
      <aside className="queue-side">
        <Form.Group controlId="target">
          <Form.Label>Search for</Form.Label>
          <Form.Select
            size="sm"
            value={target}
            // The answer to a look belongs to the search in which it was asked.
            disabled={isPending}
            onChange={(event) => {
              setChosen(event.target.value);
              setHeld(null);
            }}
          >
            {inTree(inUse(classes)).map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </Form.Select>
        </Form.Group>
        <Form.Group controlId="below">
          <Form.Label>Is it below</Form.Label>
          <Form.Select
            size="sm"
            value={below}
            disabled={isPending}
            onChange={(event) => setBelow(Number(event.target.value))}
          >
            {SHARES.map((share) => (
              <option key={share} value={share}>
                {percent(share)}
              </option>
            ))}
          </Form.Select>
          <Form.Text>of the cells, with 95% certainty</Form.Text>
        </Form.Group>
        <p role="status" aria-label="Where the search stands">
          {state.text}
        </p>
        {done !== null && <ProgressBar now={100 * done} aria-label="Looks on the way to the answer" />}
        <p className="quiet small">
          The interval holds wherever you stop. Stopping early leaves it wide, not wrong; a cell you call {title} gets
          that label, one you do not stays as it is.
        </p>
      </aside>
    </div>
  );
}
