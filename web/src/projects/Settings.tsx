import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { AuditLog } from "../admin/AuditLog";
import { get, send } from "../api/client";
import { names, useMembers, useSession } from "../api/queries";
import type { List, Project, Role, User } from "../api/types";
import { useRoom } from "../project/context";
import { Failure, FaultLine, Loading } from "../ui/states";

const ROLES: Record<Role, string> = {
  viewer: "looks",
  reviewer: "labels, uploads and signs",
  admin: "also sees to members and settings",
};

/** A project's settings, its members, and what was changed. */
export default function Settings() {
  const { project } = useRoom();
  return (
    <div className="sheet">
      <h1>Settings</h1>
      <About project={project} />
      <Members project={project} />
      <h2 className="mt-5">What was changed</h2>
      <AuditLog project={project.id} />
    </div>
  );
}

function About({ project }: { project: Project }) {
  const queries = useQueryClient();
  const [name, setName] = useState(project.name);
  const [description, setDescription] = useState(project.description);
  const [scale, setScale] = useState(String(project.scale ?? 1));
  const [teaching, setTeaching] = useState(project.teaching ?? true);
  const [weight, setWeight] = useState(String(project.teaching_weight ?? 20));
  const [second, setSecond] = useState(project.second_signer ?? false);
  const change = useMutation({
    mutationFn: (body: object) => send<Project>("PATCH", `/projects/${project.id}`, body),
    onSuccess: (changed) => {
      queries.setQueryData(names.project(project.id), changed);
      return queries.invalidateQueries({ queryKey: names.projects });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate({
      name,
      description,
      teaching,
      teaching_weight: Number(weight),
      second_signer: second,
      ...(project.images ? {} : { scale: Number(scale) }),
    });
  };
  return (
    <Form onSubmit={submit} className="settings">
      <Form.Group controlId="project-name">
        <Form.Label>Name</Form.Label>
        <Form.Control required maxLength={200} value={name} onChange={(e) => setName(e.target.value)} />
      </Form.Group>
      <Form.Group controlId="project-description">
        <Form.Label>Description</Form.Label>
        <Form.Control as="textarea" rows={2} value={description} onChange={(e) => setDescription(e.target.value)} />
      </Form.Group>
      <Form.Group controlId="project-scale">
        <Form.Label>Scale</Form.Label>
        <Form.Control
          type="number"
          min={0.05}
          max={20}
          step="any"
          disabled={project.images > 0}
          value={scale}
          onChange={(e) => setScale(e.target.value)}
        />
        <Form.Text>
          Factor that brings the crops' pixels to 0.1 µm.{" "}
          {project.images > 0 ? "Fixed, since cells have been read by it." : "Set it before the first upload."}
        </Form.Text>
      </Form.Group>
      <Form.Check
        type="switch"
        id="project-teaching"
        label="The model learns from this project's labels"
        checked={teaching}
        onChange={(e) => setTeaching(e.target.checked)}
      />
      {teaching && (
        <Form.Group controlId="project-weight">
          <Form.Label>One of your labels weighs as much as so many of the model's own</Form.Label>
          <Form.Control
            type="number"
            min={0.1}
            max={1000}
            step="any"
            value={weight}
            onChange={(e) => setWeight(e.target.value)}
          />
        </Form.Group>
      )}
      <Form.Check
        type="switch"
        id="project-second"
        label="A report needs a second person's signature"
        checked={second}
        onChange={(e) => setSecond(e.target.checked)}
      />
      <FaultLine fault={change.error} />
      <div className="d-flex gap-2">
        <Button type="submit" disabled={change.isPending}>
          Save
        </Button>
        <Button variant="outline-secondary" onClick={() => change.mutate({ archived: !project.archived })}>
          {project.archived ? "Take out of the archive" : "Archive"}
        </Button>
        {change.isSuccess && (
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
  const users = useQuery({
    queryKey: ["users"],
    queryFn: async () => (await get<List<User>>("/users")).items,
    enabled: me?.is_admin === true,
  });
  const change = useMutation({
    mutationFn: ({ user, role }: { user: number; role: Role | null }) =>
      role === null
        ? send("DELETE", `/projects/${project.id}/members/${user}`)
        : send("PUT", `/projects/${project.id}/members/${user}`, { role }),
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
