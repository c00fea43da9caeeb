import { useEffect } from "react";
import { createPortal } from "react-dom";
import { NavLink, Outlet, useParams } from "react-router";
import { useProject } from "../api/queries";
import { NONE, READ, UNSURE } from "../columns/columns";
import { ProjectRoom, useDesk, useRoom } from "../project/context";
import { Failure, Loading } from "../ui/states";
import { Uploads } from "../upload/Uploads";

/** A project's frame: its name and tabs in the bar, its store beneath them, and files dropped anywhere. */
export default function Frame() {
  const id = Number(useParams().project);
  const project = useProject(id);
  if (project.isPending) return <Loading what="Opening the project" />;
  if (project.isError) return <Failure fault={project.error} retry={() => project.refetch()} />;
  return (
    <ProjectRoom project={project.data}>
      <Tabs />
      <Line />
      <Uploads>
        <Outlet />
      </Uploads>
    </ProjectRoom>
  );
}

/** The tabs of a project; `to` is a route below `/projects/:project`. */
const TABS: { to: string; title: string }[] = [
  { to: "", title: "Review" },
  { to: "map", title: "Landscape" },
  { to: "next", title: "Next" },
  { to: "label-sets", title: "Label sets" },
  { to: "report", title: "Report" },
];

function Tabs() {
  const { project } = useRoom();
  const slot = document.getElementById("shell-slot");
  if (!slot) return null;
  return createPortal(
    <>
      <strong className="project-name">{project.name}</strong>
      <nav aria-label={project.name}>
        {TABS.map(({ to, title }) => (
          <NavLink key={to} to={`/projects/${project.id}${to ? `/${to}` : ""}`} end>
            {title}
          </NavLink>
        ))}
        {project.role === "admin" && <NavLink to={`/projects/${project.id}/settings`}>Settings</NavLink>}
      </nav>
      <Counts />
    </>,
    slot,
  );
}

/** "200 cells · 171 read by model · 29 yours · 6 unsure" */
function Counts() {
  const columns = useDesk((desk) => desk.columns);
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
    `${columns.count.toLocaleString()} cells`,
    `${read.toLocaleString()} read by model`,
    `${labelled.toLocaleString()} labelled`,
    ...(unsure ? [`${unsure.toLocaleString()} unsure`] : []),
  ];
  return <span className="quiet small counts push">{parts.join(" · ")}</span>;
}

function Line() {
  const line = useDesk((desk) => desk.line);
  const pending = useDesk((desk) => desk.pending.size);
  // What waits here is gone when the page goes: the browser asks first.
  useEffect(() => {
    if (!pending) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [pending]);
  if (line === "open") return null;
  return (
    <div className="offline" role="status">
      The service cannot be reached just now. {pending > 0 && `${pending} of your labels wait here and will be sent. `}
      Trying again…
    </div>
  );
}
