import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { Navigate, useNavigate, useSearchParams } from "react-router";
import { send } from "../api/client";
import { names, readSession, useSession } from "../api/queries";
import { FaultLine } from "../ui/states";

/** Where to go after signing in: a path of this page, never another site. */
export function within(to: string | null): string {
  return to?.startsWith("/") && !to.startsWith("//") ? to : "/projects";
}

export default function SignIn() {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const session = useSession();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const to = within(search.get("to"));

  const enter = useMutation({
    mutationFn: () => send("POST", "/session", { name, password }),
    onSuccess: async () => {
      await queries.fetchQuery({ queryKey: names.session, queryFn: readSession, staleTime: 0 });
      navigate(to, { replace: true });
    },
  });
  if (session.data?.user) return <Navigate to={to} replace />;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate();
  };
  return (
    <div className="sheet sheet-narrow">
      <h1>
        <img src="/mark.svg" alt="" width={28} /> HemoSight
      </h1>
      <Form onSubmit={submit}>
        <Form.Group className="mb-3" controlId="name">
          <Form.Label>Name</Form.Label>
          <Form.Control
            autoFocus
            autoComplete="username"
            required
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
        </Form.Group>
        <Form.Group className="mb-3" controlId="password">
          <Form.Label>Password</Form.Label>
          <Form.Control
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(e) => setPassword(e.target.value)}
          />
        </Form.Group>
        <FaultLine fault={enter.error} />
        <Button type="submit" disabled={enter.isPending}>
          Sign in
        </Button>
      </Form>
      <p className="quiet small mt-4">For research use. Not for primary diagnosis.</p>
    </div>
  );
}
