import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "react-bootstrap";
import { Navigate, useSearchParams } from "react-router";
import { api, body } from "../api/client";
import { useSession } from "../api/queries";
import { root } from "../app/root";
import { FaultLine } from "../ui/states";
import { Entry, Field, useEntry } from "./Entry";
import { refusal } from "./refusals";

/** Where to go after signing in: a path of this page, never another site. */
export function within(to: string | null): string {
  return to?.startsWith("/") && !/^\/[/\\]/.test(to) ? to : "/projects";
}

export default function SignIn() {
  const [search] = useSearchParams();
  const session = useSession();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const to = within(search.get("to"));
  const entry = useEntry(() => body(api.POST("/session", { body: { name, password } })), to);
  const away = useMutation({ mutationFn: () => body(api.POST("/session/provider", { body: { goes_on: to } })) });
  if (session.data?.user) return <Navigate to={to} replace />;

  const title = (
    <>
      <img src={`${root}/mark.svg`} alt="" width={28} /> HemoSight
    </>
  );
  const use = <p className="quiet small mt-4">For research use. Not for primary diagnosis.</p>;
  const why = refusal(search.get("refused"));
  const provider = session.data?.provider && (
    <div className="mb-3">
      {why && (
        <p className="fault-line" role="alert">
          {why}
        </p>
      )}
      <Button
        variant={session.data.local_accounts ? "outline-primary" : "primary"}
        disabled={away.isPending || away.isSuccess}
        onClick={() => away.mutate(undefined, { onSuccess: ({ location }) => window.location.assign(location) })}
      >
        Sign in with {session.data.provider}
      </Button>
      <FaultLine fault={away.error} />
    </div>
  );
  if (session.data && !session.data.local_accounts) {
    return (
      <div className="sheet sheet-narrow">
        <h1>{title}</h1>
        {provider}
        {use}
      </div>
    );
  }
  return (
    <Entry title={title} act="Sign in" entry={entry} above={provider} below={use}>
      <Field id="name" label="Name" autoFocus autoComplete="username" required value={name} change={setName} />
      <Field
        id="password"
        label="Password"
        type="password"
        autoComplete="current-password"
        required
        value={password}
        change={setPassword}
      />
    </Entry>
  );
}
