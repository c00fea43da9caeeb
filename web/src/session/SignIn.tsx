import { useState } from "react";
import { Navigate, useSearchParams } from "react-router";
import { send } from "../api/client";
import { useSession } from "../api/queries";
import { Entry, Field, useEntry } from "./Entry";

/** Where to go after signing in: a path of this page, never another site. */
export function within(to: string | null): string {
  return to?.startsWith("/") && !to.startsWith("//") ? to : "/projects";
}

export default function SignIn() {
  const [search] = useSearchParams();
  const session = useSession();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const to = within(search.get("to"));
  const entry = useEntry(() => send("POST", "/session", { name, password }), to);
  if (session.data?.user) return <Navigate to={to} replace />;

  const title = (
    <>
      <img src="/mark.svg" alt="" width={28} /> HemoSight
    </>
  );
  const use = <p className="quiet small mt-4">For research use. Not for primary diagnosis.</p>;
  return (
    <Entry title={title} act="Sign in" entry={entry} below={use}>
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
