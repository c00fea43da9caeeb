import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { names, useSession, useUsers } from "../api/queries";
import type { UserShown as User, UserChange } from "../api/schema";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { AuditLog } from "./AuditLog";

/** Accounts of this installation, and everything that was changed on it. */
export default function Admin() {
  const session = useSession();
  if (!session.data?.user?.is_admin) return <Empty title="Only administrators see this" />;
  return (
    <div className="sheet sheet-wide">
      <h1>Administration</h1>
      <Warnings />
      <Users me={session.data.user} />
      <h2 className="mt-5">Audit log</h2>
      <AuditLog />
    </div>
  );
}

/** What the machine needs: room on its disk, above all. */
function Warnings() {
  const system = useQuery({
    queryKey: ["system"],
    queryFn: () => body(api.GET("/system")),
    refetchInterval: 60_000,
  });
  return system.data?.warnings.map((warning) => (
    <div key={warning} className="alert alert-warning" role="alert">
      {warning}
    </div>
  ));
}

function Users({ me }: { me: User }) {
  const queries = useQueryClient();
  const users = useUsers();
  const renew = async () => {
    await queries.invalidateQueries({ queryKey: names.users });
    await queries.invalidateQueries({ queryKey: ["audit"] });
  };
  const change = useMutation({
    mutationFn: ({ id, ...given }: { id: number } & UserChange) =>
      body(api.PATCH("/users/{user}", { params: { path: { user: id } }, body: given })),
    onSuccess: renew,
  });
  const [resetting, setResetting] = useState<number | null>(null);
  const [password, setPassword] = useState("");
  if (users.isPending) return <Loading what="Looking up the accounts" />;
  if (users.isError) return <Failure fault={users.error} retry={() => users.refetch()} />;
  return (
    <section>
      <h2>Accounts</h2>
      <table className="table align-middle">
        <thead>
          <tr>
            <th>Person</th>
            <th>Signs in as</th>
            <th>Administrator</th>
            <th>May sign in</th>
            <th>
              <span className="visually-hidden">Password</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {users.data.map((user) => (
            <tr key={user.id}>
              <td>{user.display}</td>
              <td>{user.name}</td>
              <td>
                <Form.Check
                  type="switch"
                  aria-label={`${user.display} administers`}
                  checked={user.is_admin}
                  disabled={user.id === me.id}
                  onChange={(e) => change.mutate({ id: user.id, is_admin: e.target.checked })}
                />
              </td>
              <td>
                <Form.Check
                  type="switch"
                  aria-label={`${user.display} may sign in`}
                  checked={user.active}
                  disabled={user.id === me.id}
                  onChange={(e) => change.mutate({ id: user.id, active: e.target.checked })}
                />
              </td>
              <td>
                {resetting === user.id ? (
                  <form
                    className="d-flex gap-2"
                    onSubmit={(event) => {
                      event.preventDefault();
                      change.mutate({ id: user.id, password });
                      setResetting(null);
                      setPassword("");
                    }}
                  >
                    <Form.Control
                      size="sm"
                      type="password"
                      autoFocus
                      autoComplete="new-password"
                      aria-label={`New password of ${user.display}`}
                      value={password}
                      onChange={(e) => setPassword(e.target.value)}
                    />
                    <Button size="sm" type="submit">
                      Set
                    </Button>
                  </form>
                ) : (
                  <button type="button" className="bin-act" onClick={() => setResetting(user.id)}>
                    new password
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <FaultLine fault={change.error} />
      <NewUser made={renew} />
    </section>
  );
}

/** What a new account is asked, in the order of the first one. */
const FIELDS = { name: "Signs in as", display: "Name to show", password: "First password" };

function NewUser({ made }: { made: () => Promise<void> }) {
  const blank = { name: "", display: "", password: "" };
  const [given, setGiven] = useState(blank);
  const create = useMutation({
    mutationFn: () =>
      body(api.POST("/users", { body: { ...given, display: given.display || given.name, is_admin: false } })),
    onSuccess: async () => {
      setGiven(blank);
      await made();
    },
  });
  const field = (name: keyof typeof blank, type = "text") => (
    <Form.Control
      size="sm"
      type={type}
      required={name !== "display"}
      placeholder={FIELDS[name]}
      aria-label={FIELDS[name]}
      autoComplete={type === "password" ? "new-password" : "off"}
      value={given[name]}
      onChange={(event) => setGiven({ ...given, [name]: event.target.value })}
    />
  );
  return (
    <Form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        create.mutate();
      }}
    >
      <h3>New account</h3>
      <div className="d-flex gap-2">
        {field("name")}
        {field("display")}
        {field("password", "password")}
        <Button size="sm" type="submit" disabled={create.isPending}>
          Add
        </Button>
      </div>
      <FaultLine fault={create.error} fields={FIELDS} />
    </Form>
  );
}
