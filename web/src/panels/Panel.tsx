import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useLayoutEffect, useRef } from "react";
import { Button } from "react-bootstrap";
import { useParams } from "react-router";
import { address, api, body, ServiceFault } from "../api/client";
import type { PanelNext, PanelShown } from "../api/schema";
import { inTree, inUse } from "../columns/columns";
import { elsewhere, meaning } from "../gallery/keys";
import { useProjectContext, useProjectState } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { panelsKey } from "./Panels";
import { Results } from "./Results";
import "./panels.scss";

/** The turn in which the model's reading is shown. */
const AIDED = 3;

/** One session: read while it is open, looked at when it is closed. */
export default function Panel() {
  const { project } = useProjectContext();
  const id = Number(useParams().panel);
  const queries = useQueryClient();
  const path = { project: project.id, panel: id };
  const panel = useQuery({
    queryKey: [...panelsKey(project.id), id],
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/panels/{panel}", { params: { path }, signal })),
  });
  const close = useMutation({
    mutationFn: () => body(api.POST("/projects/{project}/panels/{panel}/close", { params: { path } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: panelsKey(project.id) }),
  });
  if (panel.isPending) return <Loading what="Opening the panel" />;
  if (panel.isError) return <Failure fault={panel.error} retry={() => panel.refetch()} />;
  const shown = panel.data;
  if (shown.closed_at) return <Results panel={shown} />;
  return (
    <div className="panel-open">
      {shown.reads ? <Reading panel={shown} /> : <Waiting panel={shown} />}
      {project.role === "admin" && (
        <footer className="panel-admin">
          <span className="quiet">
            {shown.readers.map((one) => `${one.name} ${one.done}/${shown.total}`).join(" · ")}
          </span>
          <Button size="sm" variant="outline-primary" onClick={() => close.mutate()} disabled={close.isPending}>
            Close the panel
          </Button>
          <FaultLine fault={close.error} />
        </footer>
      )}
    </div>
  );
}

function Waiting({ panel }: { panel: PanelShown }) {
  return (
    <Empty title={panel.title}>
      <span>It is being read blind. Its results are seen when it is closed.</span>
    </Empty>
  );
}

/** One cell after the other; nothing but the picture and the types. */
function Reading({ panel }: { panel: PanelShown }) {
  const { project } = useProjectContext();
  const classes = useProjectState((state) => state.columns.classes);
  const queries = useQueryClient();
  const path = { project: project.id, panel: panel.id };
  const key = [...panelsKey(project.id), panel.id, "next"];
  const next = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/panels/{panel}/next", { params: { path }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    // Whoever comes back may have read on in another tab.
    gcTime: 0,
  });
  const seen = useRef(performance.now());
  const say = useMutation({
    mutationFn: (given: { image: number; turn: number; label: string; ms: number | null }) =>
      body(api.POST("/projects/{project}/panels/{panel}/readings", { params: { path }, body: given })),
    onSuccess: (after: PanelNext) => queries.setQueryData(key, after),
    onError: (fault) => {
      // Refused: it was read in another tab, or the panel was closed. What the line or the service fails at is pressed again.
      if (fault instanceof ServiceFault && !fault.offline && fault.status < 500)
        void queries.invalidateQueries({ queryKey: [...panelsKey(project.id), panel.id] });
    },
  });
  const now = next.data;
  const { mutate, isPending } = say;
  const give = useCallback(
    (label: string) => {
      if (!now?.image || !now.turn || isPending) return;
      // Nobody is timed unless the laboratory asked for it.
      const ms = panel.timed ? Math.round(performance.now() - seen.current) : null;
      mutate({ image: now.image, turn: now.turn, label, ms });
    },
    [now, mutate, isPending, panel.timed],
  );
  // As the cell is drawn, not after: a key that comes between would be the answer to the cell before.
  useLayoutEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (elsewhere(event.target)) return;
      const command = meaning(event, classes);
      if (command?.do !== "label" || command.label === null) return;
      event.preventDefault();
      give(command.label);
    };
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, [classes, give]);

  if (next.isPending) return <Loading what="Opening the next cell" />;
  if (next.isError) return <Failure fault={next.error} retry={() => next.refetch()} />;
  if (!now?.image) {
    return (
      <Empty title="You have read every cell">
        <span>The results are seen when the panel is closed.</span>
      </Empty>
    );
  }
  const model = classes.find((mark) => mark.name === now.shown);
  return (
    <section className="panel-cell" aria-label="Cell to read">
      <p className="quiet">
        {panel.title} ·{" "}
        <span className="panel-count">
          {now.done + 1} of {now.total}
        </span>
        {panel.timed && " · how long you look is kept"}
      </p>
      <Picture
        key={`${now.image}-${now.turn}`}
        src={address(`/projects/${project.id}/images/${now.image}/picture`)}
        alt="Cell to read"
        onLoad={() => {
          seen.current = performance.now();
        }}
      />
      {now.turn === AIDED && (
        <p className="panel-shown typed" style={inks(model)}>
          The model reads <strong>{model?.title ?? now.shown}</strong>
          {panel.planted > 0 && <span className="quiet"> · some of these are wrong on purpose</span>}
        </p>
      )}
      <div className="panel-types">
        {inTree(inUse(classes)).map((mark) => (
          <button
            type="button"
            key={mark.name}
            className="typed"
            style={inks(mark)}
            disabled={isPending}
            onClick={() => give(mark.name)}
          >
            <Letter mark={mark} /> {mark.title}
          </button>
        ))}
        <button type="button" disabled={isPending} onClick={() => give("?")}>
          <Letter mark={null} /> Unsure
        </button>
      </div>
      <FaultLine fault={say.error} />
    </section>
  );
}
