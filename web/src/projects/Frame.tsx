import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { createPortal } from "react-dom";
import { NavLink, Outlet, useNavigate, useParams } from "react-router";
import { names, useProject } from "../api/queries";
import { InHand, UploadCase, useCaseSearch } from "../cases/InHand";
import { Switcher } from "../cases/Switcher";
import { NONE, READ, UNSURE } from "../columns/columns";
import { useHasFields } from "../fields/queries";
import { Conflicts } from "../project/Conflicts";
import { ProjectProvider, useProjectContext, useProjectState } from "../project/context";
import { keepProject } from "../project/last";
import { Spoken } from "../project/Spoken";
import { useStaled } from "../project/staled";
import { Tour } from "../tour/Tour";
import { askForMissing } from "../ui/Picture";
import { Failure, Loading } from "../ui/states";
import { Uploads } from "../upload/Uploads";
import { OtherBundle } from "./OtherBundle";
import { FIELDS, SETTINGS, TABS } from "./tabs";

/** A project's frame: its name and tabs in the bar, its store beneath them, and files dropped anywhere. */
export default function Frame() {
  const id = Number(useParams().project);
  const project = useProject(id);
  if (project.isPending) return <Loading what="Opening the project" />;
  if (project.isError) return <Failure fault={project.error} retry={() => project.refetch()} />;
  if (!project.data.bundle_here) return <OtherBundle project={project.data} />;
  return (
    <ProjectProvider project={project.data}>
      <Tabs />
      <Line />
      <Tour />
      <Live />
      <Uploads>
        <UploadCase />
        <InHand>
          <Outlet />
        </InHand>
      </Uploads>
      <Conflicts />
      <Spoken />
    </ProjectProvider>
  );
}

function Tabs() {
  const { project } = useProjectContext();
  const search = useCaseSearch();
  const fields = useHasFields();
  const slot = document.getElementById("shell-slot");
  if (!slot) return null;
  return createPortal(
    <>
      <strong className="project-name">{project.name}</strong>
      <Switcher />
      <nav aria-label={project.name}>
        {TABS.map(({ to, title }) => (
          <NavLink key={to} to={{ pathname: `/projects/${project.id}${to ? `/${to}` : ""}`, search }} end>
            {title}
          </NavLink>
        ))}
        {fields && <NavLink to={{ pathname: `/projects/${project.id}/${FIELDS.to}`, search }}>{FIELDS.title}</NavLink>}
        {project.role === "admin" && <NavLink to={`/projects/${project.id}/${SETTINGS.to}`}>{SETTINGS.title}</NavLink>}
      </nav>
      <Counts />
    </>,
    slot,
  );
}

/** "200 cells · 171 read by model · 29 yours · 6 unsure" */
function Counts() {
  const columns = useProjectState((state) => state.columns);
  let read = 0;
  let labelled = 0;
  let unsure = 0;
  for (let row = 0; row < columns.count; row++) {
    const label = columns.label[row]!;
    if (label === UNSURE) unsure++;
    else if (label !== NONE) labelled++;
    else if (columns.status[row] === READ) read++;
  }
  if (!columns.count) return null;
  const parts = [
    `${columns.count.toLocaleString("en")} cells`,
    `${read.toLocaleString("en")} read by model`,
    `${labelled.toLocaleString("en")} labelled`,
    ...(unsure ? [`${unsure.toLocaleString("en")} unsure`] : []),
  ];
  const said = parts.join(" · ");
  return (
    <span className="quiet small counts push" title={said}>
      {parts.map((part, place) => (
        <span key={part}>
          {place > 0 && "· "}
          {part}
        </span>
      ))}
    </span>
  );
}

/** Lists that several screens share follow the project's events. */
export function Live() {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const navigate = useNavigate();
  useEffect(() => keepProject(project.id), [project.id]);
  const deleted = useProjectState((state) => (state.events.project_deleted ?? 0) > 0);
  useStaled("worklist", names.cases(project.id));
  useStaled("labelSets", names.labelSets(project.id));
  useStaled("findings", names.findings(project.id));
  useStaled("signing", names.signing(project.id, false));
  useStaled("signingChecks", names.signing(project.id, true));
  // Everything of the project stands below its own name.
  useStaled("settings", names.project(project.id), true);
  useStaled("settings", names.reportSettings(project.id));
  useStaled("settings", names.signingRules(project.id));
  useEffect(() => {
    if (!deleted) return;
    void queries.invalidateQueries({ queryKey: names.projects, exact: true });
    navigate("/projects", { replace: true });
  }, [deleted, queries, navigate]);
  return null;
}

function Line() {
  const line = useProjectState((state) => state.connection);
  const pending = useProjectState((state) => state.pending.size);
  // What waits here is gone when the page goes: the browser asks first.
  useEffect(() => {
    if (!pending) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [pending]);
  useEffect(() => {
    if (line === "open") askForMissing();
  }, [line]);
  if (line === "open") return null;
  return (
    <div className="offline" role="status">
      The service cannot be reached just now. {pending > 0 && `${pending} of your labels wait here and will be sent. `}
      Trying again…
    </div>
  );
}
