import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { useSearchParams } from "react-router";
import { api, body } from "../api/client";
import { names, useSession } from "../api/queries";
import { Failure, FaultLine, Loading } from "../ui/states";
import { ago, when } from "../ui/time";
import { refusal } from "./refusals";

/** What belongs to the person who is signed in. */
export default function Account() {
  const session = useSession().data;
  return (
    <div className="sheet">
      <h1>Account</h1>
      <Name />
      {session?.password && <Password />}
      {session?.provider && <Provider title={session.provider} />}
      <Browsers />
      <Tokens />
    </div>
  );
}

function Name() {
  const queries = useQueryClient();
  const user = useSession().data?.user;
  const [display, setDisplay] = useState(user?.display ?? "");
  const change = useMutation({
    mutationFn: () => body(api.PATCH("/account", { body: { display } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: names.session }),
  });
  return (
    <Form
      className="settings"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <Form.Group controlId="display">
        <Form.Label>Name to show</Form.Label>
        <div className="d-flex gap-2">
          <Form.Control required value={display} onChange={(e) => setDisplay(e.target.value)} />
          <Button type="submit" disabled={change.isPending}>
            Save
          </Button>
        </div>
        <Form.Text>You sign in as {user?.name}.</Form.Text>
      </Form.Group>
      <FaultLine fault={change.error} />
    </Form>
  );
}

function Password() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const change = useMutation({
    mutationFn: () => body(api.POST("/account/password", { body: { old, new: fresh } })),
    onSuccess: () => {
      setOld("");
      setFresh("");
    },
  });
  return (
    <Form
      className="settings"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <h2>Password</h2>
      <Form.Group controlId="old">
        <Form.Label>The one you have</Form.Label>
        <Form.Control
          type="password"
          required
          autoComplete="current-password"
          value={old}
          onChange={(e) => setOld(e.target.value)}
        />
      </Form.Group>
      <Form.Group controlId="new">
        <Form.Label>The new one</Form.Label>
        <Form.Control
          type="password"
          required
          autoComplete="new-password"
          value={fresh}
          onChange={(e) => setFresh(e.target.value)}
        />
      </Form.Group>
      <FaultLine fault={change.error} />
      <Button type="submit" disabled={change.isPending}>
        Change it
      </Button>
      {change.isSuccess && <span role="status"> Changed. Other browsers have to sign in again.</span>}
    </Form>
  );
}

/** Sign in by the organisation's accounts from now on, as who one is here. */
function Provider({ title }: { title: string }) {
  const [search] = useSearchParams();
  const why = refusal(search.get("refused"));
  const away = useMutation({ mutationFn: () => body(api.POST("/account/provider")) });
  return (
    <section className="mb-5">
      <h2>{title}</h2>
      <p className="quiet">
        Sign in there once, and this account is connected with yours there: both are the same person from then on.
      </p>
      {why && (
        <p className="fault-line" role="alert">
          {why}
        </p>
      )}
      <Button
        variant="outline-primary"
        disabled={away.isPending || away.isSuccess}
        onClick={() => away.mutate(undefined, { onSuccess: ({ location }) => window.location.assign(location) })}
      >
        Connect with {title}
      </Button>
      <FaultLine fault={away.error} />
    </section>
  );
}

function Browsers() {
  const queries = useQueryClient();
  const browsers = useQuery({
    queryKey: ["account", "sessions"],
    queryFn: async () => (await body(api.GET("/account/sessions"))).items,
  });
  const end = useMutation({
    mutationFn: () => body(api.DELETE("/account/sessions")),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["account", "sessions"] }),
  });
  if (browsers.isPending) return <Loading what="Looking up your browsers" />;
  if (browsers.isError) return <Failure fault={browsers.error} retry={() => browsers.refetch()} />;
  return (
    <section className="mb-5">
      <h2>Where you are signed in</h2>
      <table className="table">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Browser</th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {browsers.data.map((browser) => (
            <tr key={browser.created_at}>
              <td>{browser.current ? <b>this browser</b> : browser.agent}</td>
              <td className="quiet">seen {ago(browser.seen_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {browsers.data.length > 1 && (
        <button type="button" className="bin-act" onClick={() => end.mutate()}>
          sign out everywhere else
        </button>
      )}
      <FaultLine fault={end.error} />
    </section>
  );
}

function Tokens() {
  const queries = useQueryClient();
  const key = ["account", "tokens"];
  const tokens = useQuery({ queryKey: key, queryFn: async () => (await body(api.GET("/account/tokens"))).items });
  const renew = () => queries.invalidateQueries({ queryKey: key });
  const [name, setName] = useState("");
  const [scope, setScope] = useState("read");
  const create = useMutation({
    mutationFn: () =>
      body(
        api.POST("/account/tokens", {
          body: { name, scopes: scope === "read" ? ["read"] : ["read", "write"], days: 365 },
        }),
      ),
    onSuccess: () => {
      setName("");
      return renew();
    },
  });
  const revoke = useMutation({
    mutationFn: (token: number) => body(api.DELETE("/account/tokens/{token}", { params: { path: { token } } })),
    onSuccess: renew,
  });
  if (tokens.isPending) return <Loading what="Looking up your tokens" />;
  if (tokens.isError) return <Failure fault={tokens.error} retry={() => tokens.refetch()} />;
  return (
    <section>
      <h2>Tokens for programs</h2>
      <p className="quiet">A program that uploads or exports signs in with one of these, with your rights or fewer.</p>
      <table className="table">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">What for</th>
            <th scope="col">Scopes</th>
            <th scope="col">Used</th>
            <th scope="col">Until</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {tokens.data.map((token) => (
            <tr key={token.id}>
              <td>{token.name}</td>
              <td>{token.scopes.join(", ")}</td>
              <td className="quiet">{token.used_at ? `used ${ago(token.used_at)}` : "never used"}</td>
              <td className="quiet">{token.expires_at && `until ${when(token.expires_at)}`}</td>
              <td className="text-end">
                <button type="button" className="bin-act" onClick={() => revoke.mutate(token.id)}>
                  revoke
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {create.data && (
        <p role="status">
          <code className="user-select-all">{create.data.secret}</code>
          <br />
          <span className="quiet">Copy it now: it is not shown again.</span>
        </p>
      )}
      <form
        className="d-flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <Form.Control
          size="sm"
          required
          placeholder="What it is for"
          aria-label="What the token is for"
          value={name}
          onChange={(e) => setName(e.target.value)}
        />
        <Form.Select size="sm" aria-label="What it may" value={scope} onChange={(e) => setScope(e.target.value)}>
          <option value="read">may read</option>
          <option value="write">may read and write</option>
        </Form.Select>
        <Button size="sm" type="submit" disabled={create.isPending}>
          Make
        </Button>
      </form>
      <FaultLine fault={create.error ?? revoke.error} />
    </section>
  );
}
