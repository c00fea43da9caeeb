import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link, useNavigate } from "react-router";
import { api, body } from "../api/client";
import { names, useProjects } from "../api/queries";
import type { ProjectListed } from "../api/schema";
import { Sketch } from "../ui/Sketch";
import { Failure, FaultLine, Loading } from "../ui/states";
import { ago } from "../ui/time";

export default function Projects() {
  const projects = useProjects();
  const [archived, setArchived] = useState(false);
  if (projects.isPending) return <Loading what="Looking up your projects" />;
  if (projects.isError) return <Failure fault={projects.error} retry={() => projects.refetch()} />;
  const all = projects.data;
  const shown = all.filter((project) => archived || !project.archived);
  return (
    <div className="sheet">
      <h1>Projects</h1>
      {all.length ? (
        <ul className="project-list">
          {shown.map((project) => (
            <ProjectRow key={project.id} project={project} />
          ))}
        </ul>
      ) : (
        <Beginning />
      )}
      {all.some((project) => project.archived) && (
        <Form.Check
          id="archived"
          label="Show archived projects"
          checked={archived}
          onChange={(e) => setArchived(e.target.checked)}
        />
      )}
      <NewProject first={all.length === 0} />
    </div>
  );
}

/** What this is for, before there is anything. */
function Beginning() {
  return (
    <ol className="beginning">
      <li>
        <Sketch of="crops" />
        <strong>Drop the crops of a smear</strong>
        <span>Pictures of white cells, as a scanner cuts them out.</span>
      </li>
      <li>
        <Sketch of="bins" />
        <strong>Review what the model read</strong>
        <span>Each cell lies in the bin of its type. You agree or relabel; the others follow.</span>
      </li>
      <li>
        <Sketch of="report" />
        <strong>Sign the differential</strong>
        <span>Counts and shares with their intervals, and who reviewed them.</span>
      </li>
    </ol>
  );
}

function ProjectRow({ project }: { project: ProjectListed }) {
  const done = project.images ? Math.round((100 * project.labelled) / project.images) : 0;
  return (
    <li>
      <Link to={`/projects/${project.id}`}>
        <span className="name">
          {project.name}
          {project.archived && <em> archived</em>}
        </span>
        <span className="quiet">{project.description}</span>
        {!project.bundle_here && (
          <span className="small other-bundle-note">
            Read with {project.bundle}, which this service does not run: open it to see what can be done.
          </span>
        )}
      </Link>
      <div className="project-progress">
        <progress value={project.labelled} max={project.images || 1} aria-label={`${done}% labelled by a person`} />
        <span className="small quiet">
          {project.images.toLocaleString("en")} cells · {project.read.toLocaleString("en")} read ·{" "}
          {project.labelled.toLocaleString("en")} labelled
          {project.unsure > 0 && ` · ${project.unsure} unsure`}
        </span>
      </div>
      <span className="small quiet">
        {project.last_review ? `reviewed ${ago(project.last_review)}` : "not reviewed yet"}
        <br />
        {project.members === 1 ? "1 member" : `${project.members} members`}
      </span>
    </li>
  );
}

function NewProject({ first }: { first: boolean }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => body(api.POST("/projects", { body: { name, description: "", scale: 1, names: "kept" } })),
    onSuccess: async (project) => {
      await queries.invalidateQueries({ queryKey: names.projects });
      navigate(`/projects/${project.id}`);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Form className="project-new" onSubmit={submit}>
      <Form.Label htmlFor="new-project">
        {first
          ? "A project holds the cases that learn from one another, such as those of one scanner or one study. Name the first:"
          : "New project"}
      </Form.Label>
      <div className="d-flex gap-2">
        <Form.Control
          id="new-project"
          required
          maxLength={120}
          placeholder="Routine smears, 2026"
          value={name}
          onChange={(e) => setName(e.target.value)}
        />
        <Button type="submit" disabled={create.isPending}>
          Create
        </Button>
      </div>
      <FaultLine fault={create.error} />
    </Form>
  );
}
