import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Link } from "react-router";
import { AuditLog } from "../admin/AuditLog";
import { api, body } from "../api/client";
import { save } from "../api/download";
import { names, useMembers, useSession, useUsers } from "../api/queries";
import type { ProjectShown as Project, ProjectChange } from "../api/schema";
import { root } from "../app/root";
import { ReportSettings } from "../findings/ReportSettings";
import { Scanners } from "../profiles/Scanners";
import { useProjectContext } from "../project/context";
import { SigningRules } from "../signing/SigningRules";
import { Failure, FaultLine, Loading } from "../ui/states";

type Role = Project["role"];

const ROLES: Record<Role, string> = {
  viewer: "looks",
  reviewer: "labels, uploads and signs",
  admin: "also sees to members and settings",
};

/** A project's settings, its members, and what was changed. */
export default function Settings() {
  const { project } = useProjectContext();
  return (
    <div className="sheet">
      <h1>Settings</h1>
      <p className="quiet">
        Read with <Link to="/model">{project.bundle}</Link>.
      </p>
      <About project={project} />
      <Scanners />
      <SigningRules />
      <ReportSettings />
      <Members project={project} />
      <h2 className="mt-5">What was changed</h2>
      <AuditLog project={project.id} />
      <Deletion project={project} />
    </div>
  );
}

/** The end of a project: its name is typed, so that nobody deletes one by mistake. */
function Deletion({ project }: { project: Project }) {
  const [typed, setTyped] = useState("");
  const remove = useMutation({
    mutationFn: () => api.DELETE("/projects/{project}", { params: { path: { project: project.id } } }),
    // Nothing that was loaded of the project holds any more.
    onSuccess: () => window.location.assign(`${root}/projects`),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    remove.mutate();
  };
  return (
    <Form className="settings mt-5" onSubmit={submit}>
      <h2>Delete this project</h2>
      <p className="quiet">
        Its cells, cases and what the model learnt from them go for everybody. The audit trail stays. A project with
        signed records cannot be deleted, only put into the archive.
      </p>
      <Form.Group controlId="project-deletion">
        <Form.Label>Type its name to confirm: {project.name}</Form.Label>
        <Form.Control autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
      </Form.Group>
      <FaultLine fault={remove.error} />
      <div>
        <Button type="submit" variant="danger" disabled={typed.trim() !== project.name || remove.isPending}>
          Delete {project.images.toLocaleString("en")} cells
        </Button>
      </div>
    </Form>
  );
}

const NAMES: Record<Project["names"], string> = {
  kept: "kept as they come",
  mapped: "numbers instead, with a list for administrators",
  dropped: "numbers instead, and no list",
};

/** What becomes of names that files and cases come with. */
function Names(given: { project: Project; kept: Project["names"]; choose: (names: Project["names"]) => void }) {
  const { project, kept, choose } = given;
  const mayTake = useSession().data?.user?.is_admin && project.names === "mapped";
  const take = useMutation({
    mutationFn: async () => {
      const params = { path: { project: project.id } };
      const answer = await api.POST("/projects/{project}/original-names", { params, parseAs: "blob" });
      save(answer.data as unknown as Blob, `hemosight-project-${project.id}-names.csv`);
    },
  });
  return (
    <Form.Group controlId="project-names">
      <Form.Label>Names of files and cases</Form.Label>
      <Form.Select
        value={kept}
        disabled={project.images > 0}
        onChange={(event) => choose(event.target.value as Project["names"])}
      >
        {Object.entries(NAMES).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </Form.Select>
      <Form.Text>
        Numbered files lose their metadata (EXIF, tags of DICOM and TIFF) before they are stored. Administrators of the
        service alone may take the list of what they were called. Chosen while the project is empty.
      </Form.Text>
      {mayTake && (
        <div>
          <button type="button" className="bin-act" disabled={take.isPending} onClick={() => take.mutate()}>
            the list, as a table
          </button>
        </div>
      )}
      <FaultLine fault={take.error} />
    </Form.Group>
  );
}

/** What the form of a project holds; the weight as it is typed. */
function fieldsOf(project: Project) {
  return {
    name: project.name,
    description: project.description,
    teaching: project.teaching ?? true,
    weight: String(project.teaching_weight ?? 20),
    second: project.second_signer ?? false,
    kept: project.names,
  };
}

type Fields = ReturnType<typeof fieldsOf>;

/** The fields that say something else than the project. */
function changesOf(now: Fields, there: Fields): ProjectChange {
  return {
    ...(now.name !== there.name && { name: now.name }),
    ...(now.description !== there.description && { description: now.description }),
    ...(now.teaching !== there.teaching && { teaching: now.teaching }),
    ...(now.weight !== there.weight && { teaching_weight: Number(now.weight) }),
    ...(now.second !== there.second && { second_signer: now.second }),
    ...(now.kept !== there.kept && { names: now.kept }),
  };
}

function About({ project }: { project: Project }) {
  const queries = useQueryClient();
  /** What was changed here. The rest follows the project, whoever changes it, and is not sent. */
  const [typed, setTyped] = useState<Partial<Fields>>({});
  const there = fieldsOf(project);
  const now = { ...there, ...typed };
  const set = (some: Partial<Fields>) => setTyped((before) => ({ ...before, ...some }));
  const changes = changesOf(now, there);
  const change = useMutation({
    /** `sent` is what of the form goes along: nothing with the archive, which has a button of its own. */
    mutationFn: ({ given }: { given: ProjectChange; sent: Partial<Fields> }) =>
      body(api.PATCH("/projects/{project}", { params: { path: { project: project.id } }, body: given })),
    onSuccess: (changed, { sent }) => {
      // What was typed since is not saved.
      const since = ([name, value]: [string, unknown]) => value !== sent[name as keyof Fields];
      setTyped((now) => Object.fromEntries(Object.entries(now).filter(since)));
      queries.setQueryData(names.project(project.id), changed);
      return queries.invalidateQueries({ queryKey: names.projects });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate({ given: changes, sent: typed });
  };
  return (
    <Form onSubmit={submit} className="settings">
      <Form.Group controlId="project-name">
        <Form.Label>Name</Form.Label>
        <Form.Control required maxLength={200} value={now.name} onChange={(e) => set({ name: e.target.value })} />
      </Form.Group>
      <Form.Group controlId="project-description">
        <Form.Label>Description</Form.Label>
        <Form.Control
          as="textarea"
          rows={2}
          value={now.description}
          onChange={(e) => set({ description: e.target.value })}
        />
      </Form.Group>
      <Form.Check
        type="switch"
        id="project-teaching"
        label="The model learns from this project's labels"
        checked={now.teaching}
        onChange={(e) => set({ teaching: e.target.checked })}
      />
      {now.teaching && (
        <Form.Group controlId="project-weight">
          <Form.Label>One of your labels weighs as much as so many of the model's own</Form.Label>
          <Form.Control
            type="number"
            min={0.1}
            max={1000}
            step="any"
            value={now.weight}
            onChange={(e) => set({ weight: e.target.value })}
          />
        </Form.Group>
      )}
      <Form.Check
        type="switch"
        id="project-second"
        label="A report needs a second person's signature"
        checked={now.second}
        onChange={(e) => set({ second: e.target.checked })}
      />
      <Names project={project} kept={now.kept} choose={(kept) => set({ kept })} />
      <FaultLine fault={change.error} />
      <div className="d-flex gap-2">
        <Button type="submit" disabled={change.isPending || !Object.keys(changes).length}>
          Save
        </Button>
        <Button
          variant="outline-secondary"
          onClick={() => change.mutate({ given: { archived: !project.archived }, sent: {} })}
        >
          {project.archived ? "Take out of the archive" : "Archive"}
        </Button>
        {change.isSuccess && !Object.keys(changes).length && (
          <span className="quiet align-self-center" role="status">
            Saved.
          </span>
        )}
      </div>
    </Form>
  );
}

function Members({ project }: { project: Project }) {
  const queries = useQueryClient();
  const me = useSession().data?.user;
  const members = useMembers(project.id);
  const [user, setUser] = useState("");
  const [role, setRole] = useState<Role>("reviewer");
  // Only administrators of the service see who else has an account.
  const users = useUsers(me?.is_admin === true);
  const change = useMutation({
    mutationFn: async ({ user, role }: { user: number; role: Role | null }) => {
      const params = { path: { project: project.id, user } };
      if (role === null) await api.DELETE("/projects/{project}/members/{user}", { params });
      else await api.PUT("/projects/{project}/members/{user}", { params, body: { role } });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: names.members(project.id) }),
  });
  if (members.isPending) return <Loading what="Looking up the members" />;
  if (members.isError) return <Failure fault={members.error} retry={() => members.refetch()} />;
  const seated = new Set(members.data.map((member) => member.user.id));
  const others = users.data?.filter((one) => one.active && !seated.has(one.id)) ?? [];
  return (
    <section className="mt-5">
      <h2>Members</h2>
      <table className="table">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Person</th>
            <th scope="col">Role</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {members.data.map(({ user, role }) => (
            <tr key={user.id}>
              <td>
                {user.display} <span className="quiet">{user.name}</span>
              </td>
              <td>
                <Form.Select
                  size="sm"
                  aria-label={`Role of ${user.display}`}
                  value={role}
                  onChange={(e) => change.mutate({ user: user.id, role: e.target.value as Role })}
                >
                  {(Object.keys(ROLES) as Role[]).map((name) => (
                    <option key={name} value={name}>
                      {name}: {ROLES[name]}
                    </option>
                  ))}
                </Form.Select>
              </td>
              <td className="text-end">
                <button
                  type="button"
                  className="bin-act"
                  aria-label={`Remove ${user.display}`}
                  onClick={() => change.mutate({ user: user.id, role: null })}
                >
                  remove
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {others.length > 0 && (
        <form
          className="d-flex gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            if (user) change.mutate({ user: Number(user), role });
            setUser("");
          }}
        >
          <Form.Select size="sm" aria-label="Person" value={user} onChange={(e) => setUser(e.target.value)}>
            <option value="">Add a person…</option>
            {others.map((one) => (
              <option key={one.id} value={one.id}>
                {one.display}
              </option>
            ))}
          </Form.Select>
          <Form.Select size="sm" aria-label="Role" value={role} onChange={(e) => setRole(e.target.value as Role)}>
            {(Object.keys(ROLES) as Role[]).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </Form.Select>
          <Button type="submit" size="sm" disabled={!user}>
            Add
          </Button>
        </form>
      )}
      <FaultLine fault={change.error} />
    </section>
  );
}
