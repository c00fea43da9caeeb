import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Form } from "react-bootstrap";
import { Link } from "react-router";
import { api, body } from "../api/client";
import { save } from "../api/download";
import { useCases, useMemberNames, useProjects, useUsers } from "../api/queries";
import type { AuditShown } from "../api/schema";
import { DayField } from "../ui/DayField";
import { Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import { done, NOUNS, type Piece, pieces } from "./auditWords";

/** Which rows are asked for; an empty text asks for all. Days are the reader's own. */
interface Wanted {
  user: string;
  action: string;
  since: string;
  until: string;
}

/** The filters as the service takes them. A day begins at midnight, and the last day is included. */
export function query(wanted: Wanted, project?: number) {
  const midnight = (day: string, days: number) => {
    if (!day) return undefined;
    const moment = new Date(`${day}T00:00:00`);
    moment.setDate(moment.getDate() + days);
    return moment.toISOString();
  };
  return {
    project,
    user: wanted.user ? Number(wanted.user) : undefined,
    action: wanted.action || undefined,
    since: midnight(wanted.since, 0),
    until: midnight(wanted.until, 1),
  };
}

/** Who changed what, the newest first; by person, kind and day, and to take away as a table. */
export function AuditLog({ project }: { project?: number }) {
  const [wanted, setWanted] = useState<Wanted>({ user: "", action: "", since: "", until: "" });
  const asked = query(wanted, project);
  const log = useInfiniteQuery({
    queryKey: ["audit", project ?? "all", wanted],
    queryFn: ({ pageParam }) =>
      body(api.GET("/audit", { params: { query: { ...asked, after: pageParam ?? undefined, limit: 50 } } })),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
  const change = (name: keyof Wanted) => (event: { target: { value: string } }) =>
    setWanted({ ...wanted, [name]: event.target.value });
  return (
    <>
      <div className="d-flex flex-wrap gap-2 mb-2 align-items-end">
        {project === undefined && <People value={wanted.user} onChange={change("user")} />}
        <Form.Select size="sm" className="w-auto" aria-label="What" value={wanted.action} onChange={change("action")}>
          <option value="">everything</option>
          {NOUNS.map((noun) => (
            <option key={noun} value={noun}>
              {noun.replaceAll("_", " ")}
            </option>
          ))}
        </Form.Select>
        <DayField label="From" value={wanted.since} change={(day) => setWanted({ ...wanted, since: day })} />
        <DayField label="Until" value={wanted.until} change={(day) => setWanted({ ...wanted, until: day })} />
        <Export asked={asked} />
        {project === undefined && <Chain />}
      </div>
      {log.isPending && <Loading what="Reading the audit trail" />}
      {log.isError && <Failure fault={log.error} retry={() => log.refetch()} />}
      {log.data && <Rows entries={log.data.pages.flatMap((page) => page.items)} project={project} />}
      {log.hasNextPage && (
        <button type="button" className="bin-act" onClick={() => log.fetchNextPage()}>
          earlier
        </button>
      )}
    </>
  );
}

/** What a row is about; of who signed in or out the person is named already. */
const piecesOf = ({ action, subject, user }: AuditShown) =>
  pieces(action.startsWith("session.") && subject.user === user?.id ? { ...subject, user: undefined } : subject);

function Rows({ entries, project }: { entries: AuditShown[]; project: number | undefined }) {
  const names = useNames(project);
  if (!entries.length) return <p className="quiet">Nothing fits.</p>;
  return (
    <div className="table-responsive">
      <table className="table audit">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Of what</th>
            {project === undefined && <th>Project</th>}
            <th>From</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td className="text-nowrap">{when(entry.at)}</td>
              <td>{entry.user ? names.user(entry.user.id, entry.user.name) : "the service"}</td>
              <td title={entry.action}>{done(entry.action)}</td>
              <td className="subject">
                {piecesOf(entry).map((piece, at) => (
                  <span key={at}>
                    {at > 0 && (piece.kind === "text" && piece.more ? " " : ", ")}
                    <Shown piece={piece} project={entry.project} names={names} />
                  </span>
                ))}
              </td>
              {project === undefined && (
                <td>
                  {entry.project !== null && <Shown piece={{ kind: "project", id: entry.project }} names={names} />}
                </td>
              )}
              <td className="quiet">{entry.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Names {
  user: (id: number, otherwise?: string) => string;
  /** A project's name; undefined where it is gone, or not this reader's. */
  project: (id: number) => string | undefined;
  case: (id: number) => string | undefined;
}

/** What the numbers in the trail are called: accounts for administrators, members and cases for a project's. */
function useNames(project: number | undefined): Names {
  const users = useUsers(project === undefined).data;
  const member = useMemberNames(project);
  const projects = useProjects().data;
  const cases = useCases(project ?? 0, project !== undefined).data;
  return {
    user: (id, otherwise) => users?.find((one) => one.id === id)?.display ?? member(id, otherwise),
    project: (id) => projects?.find((one) => one.id === id)?.name,
    case: (id) => cases?.find((one) => one.id === id)?.key,
  };
}

/** A piece of a row, as a link where there is something to open. */
function Shown({ piece, project = null, names }: { piece: Piece; project?: number | null; names: Names }) {
  if (piece.kind === "text") return piece.text;
  if (piece.kind === "user") return names.user(piece.id);
  if (piece.kind === "project") {
    const name = names.project(piece.id);
    return name ? <Link to={`/projects/${piece.id}`}>{name}</Link> : `project ${piece.id}`;
  }
  const title = piece.kind === "case" ? (piece.title ?? names.case(piece.id) ?? `${piece.id}`) : `${piece.id}`;
  const said = piece.kind === "case" ? `case ${title}` : `cell ${title}`;
  if (project === null || names.project(project) === undefined) return said;
  const search = piece.kind === "case" ? `?case=${piece.id}` : `?case=all&cell=${piece.id}`;
  return <Link to={{ pathname: `/projects/${project}`, search }}>{said}</Link>;
}

function People({ value, onChange }: { value: string; onChange: (event: { target: { value: string } }) => void }) {
  const users = useUsers();
  return (
    <Form.Select size="sm" className="w-auto" aria-label="Who" value={value} onChange={onChange}>
      <option value="">everybody</option>
      {users.data?.map((user) => (
        <option key={user.id} value={user.id}>
          {user.display}
        </option>
      ))}
    </Form.Select>
  );
}

/** Take the rows away as a table. */
function Export({ asked }: { asked: ReturnType<typeof query> }) {
  const take = useMutation({
    mutationFn: async () => {
      const answer = await api.POST("/audit/export", { params: { query: asked }, parseAs: "blob" });
      save(answer.data as Blob, "audit.csv");
    },
  });
  return (
    <>
      <button type="button" className="bin-act" disabled={take.isPending} onClick={() => take.mutate()}>
        as a table
      </button>
      <FaultLine fault={take.error} />
    </>
  );
}

/** Whether a row was changed, added or taken away behind the service's back. */
function Chain() {
  const chain = useQuery({
    queryKey: ["audit-chain"],
    queryFn: () => body(api.GET("/audit/chain")),
    enabled: false,
  });
  const said = chain.data
    ? chain.data.intact
      ? `unbroken: ${chain.data.rows} rows, sealed until ${chain.data.sealed_until}`
      : `BROKEN before row ${chain.data.broken}`
    : "";
  return (
    <>
      <button type="button" className="bin-act" disabled={chain.isFetching} onClick={() => chain.refetch()}>
        verify
      </button>
      <span role="status" className={chain.data && !chain.data.intact ? "text-danger" : "quiet"}>
        {said}
      </span>
      <FaultLine fault={chain.error} />
    </>
  );
}
