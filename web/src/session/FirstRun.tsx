import { useState } from "react";
import { Navigate, useSearchParams } from "react-router";
import { api } from "../api/client";
import { readSession, useSession } from "../api/queries";
import { Entry, Field, useEntry } from "./Entry";

/** The first administrator, by the link that the service printed when it started. */
export default function FirstRun() {
  const [search] = useSearchParams();
  const session = useSession();
  const [token, setToken] = useState(search.get("token") ?? "");
  const [name, setName] = useState("");
  const [display, setDisplay] = useState("");
  const [password, setPassword] = useState("");
  const entry = useEntry(async () => {
    await api.POST("/first-run", { body: { token, name, display: display || name, password } });
    const made = await readSession();
    if (!made.user) await api.POST("/session", { body: { name, password } });
  }, "/projects");
  if (session.data && !session.data.first_run) return <Navigate to="/projects" replace />;

  const why = <p className="quiet">Nobody has an account yet. The first one administers this installation.</p>;
  return (
    <Entry title="Welcome to HemoSight" act="Create the account" entry={entry} above={why}>
      {!search.get("token") && (
        <Field
          id="token"
          label="One-time code"
          help="The service printed it, within a link, when it started."
          required
          value={token}
          change={setToken}
        />
      )}
      <Field
        id="name"
        label="Name to sign in with"
        autoFocus
        autoComplete="username"
        required
        value={name}
        change={setName}
      />
      <Field
        id="display"
        label="Name to show"
        autoComplete="name"
        placeholder={name}
        value={display}
        change={setDisplay}
      />
      <Field
        id="password"
        label="Password"
        type="password"
        autoComplete="new-password"
        required
        value={password}
        change={setPassword}
      />
    </Entry>
  );
}
