import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Navigate, useNavigate, useSearchParams } from "react-router";
import { send } from "../api/client";
import { names, readSession, useSession } from "../api/queries";
import { FaultLine } from "../ui/states";

/** The first administrator, by the link that the service printed when it started. */
export default function FirstRun() {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const session = useSession();
  const [token, setToken] = useState(search.get("token") ?? "");
  const [name, setName] = useState("");
  const [display, setDisplay] = useState("");
  const [password, setPassword] = useState("");

  const create = useMutation({
    mutationFn: async () => {
      await send("POST", "/first-run", { token, name, display: display || name, password });
      const made = await readSession();
      if (!made.user) await send("POST", "/session", { name, password });
    },
    onSuccess: async () => {
      await queries.fetchQuery({ queryKey: names.session, queryFn: readSession, staleTime: 0 });
      navigate("/projects", { replace: true });
    },
  });
  if (session.data && !session.data.first_run) return <Navigate to="/projects" replace />;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <div className="sheet sheet-narrow">
      <h1>Welcome to HemoSight</h1>
      <p className="quiet">Nobody has an account yet. The first one administers this installation.</p>
      <Form onSubmit={submit}>
        {!search.get("token") && (
          <Form.Group className="mb-3" controlId="token">
            <Form.Label>One-time code</Form.Label>
            <Form.Control required value={token} onChange={(e) => setToken(e.target.value)} />
            <Form.Text>The service printed it, within a link, when it started.</Form.Text>
          </Form.Group>
        )}
        <Form.Group className="mb-3" controlId="name">
          <Form.Label>Name to sign in with</Form.Label>
          <Form.Control
            autoFocus
            autoComplete="username"
            required
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
        </Form.Group>
        <Form.Group className="mb-3" controlId="display">
          <Form.Label>Name to show</Form.Label>
          <Form.Control
            autoComplete="name"
            placeholder={name}
            value={display}
            onChange={(e) => setDisplay(e.target.value)}
          />
        </Form.Group>
        <Form.Group className="mb-3" controlId="password">
          <Form.Label>Password</Form.Label>
          <Form.Control
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(e) => setPassword(e.target.value)}
          />
        </Form.Group>
        <FaultLine fault={create.error} />
        <Button type="submit" disabled={create.isPending}>
          Create the account
        </Button>
      </Form>
    </div>
  );
}
