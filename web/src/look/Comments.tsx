import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Form } from "react-bootstrap";
import { Link } from "react-router";
import { api, body } from "../api/client";
import { save } from "../api/download";
import { useMemberNames, useMembers, useSession } from "../api/queries";
import type { CommentChange } from "../api/schema";
import { nameOf } from "../cases/inHand";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { useStaled } from "../project/staled";
import { Picture } from "../ui/Picture";
import { Failure, FaultLine } from "../ui/states";
import { ago, when } from "../ui/time";
import { useShow } from "./show";

type Which = "open" | "resolved" | "all";
/** Comments that are asked for at a time; older ones when they are wanted. */
const TOGETHER = 200;
/** In place of a person's number: whoever looks. */
const OWN = "own";

/** Comments on cells: those of a case or of all, found by what they say, by whom, and who is to see to them. */
export function Comments() {
  const { project } = useProjectContext();
  const inHand = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  const members = useMembers(project.id);
  const session = useSession();
  const who = useMemberNames(project.id);
  const queries = useQueryClient();
  const show = useShow();
  const [which, setWhich] = useState<Which>("open");
  const [user, setUser] = useState("");
  const [whose, setWhose] = useState("");
  const [everywhere, setEverywhere] = useState(false);
  const [text, setText] = useState("");
  const root = ["projects", project.id, "comments"];
  const query = {
    case: everywhere ? undefined : (inHand ?? undefined),
    user: user ? Number(user) : undefined,
    text: text.trim() || undefined,
    resolved: which === "all" ? undefined : which === "resolved",
    // Of whoever looks: what they wrote and what they are to see to.
    concerns: whose === OWN ? session.data?.user?.id : undefined,
    assigned: whose && whose !== OWN ? Number(whose) : undefined,
  };
  const key = [...root, query];
  const found = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => {
      const params = { path: { project: project.id }, query: { ...query, after: pageParam, limit: TOGETHER } };
      return body(api.GET("/projects/{project}/comments", { params, signal }));
    },
    initialPageParam: 0,
    getNextPageParam: (page) => page.next,
    placeholderData: (before) => before,
    // Events ask anew for what is shown alone.
    staleTime: 0,
  });
  useStaled("comments", key, true); // in place, so that the older ones that were asked for stay
  const listed = found.data?.pages.flatMap(({ items }) => items);
  const mark = useMutation({
    mutationFn: ({ id, ...given }: { id: number } & CommentChange) =>
      body(
        api.PATCH("/projects/{project}/comments/{comment}", {
          params: { path: { project: project.id, comment: id } },
          body: given,
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: root }),
  });
  const take = useMutation({
    mutationFn: () =>
      api.POST("/projects/{project}/comments/export", {
        params: { path: { project: project.id }, query },
        parseAs: "blob",
      }),
    onSuccess: ({ data }) => save(data as Blob, "comments.csv"),
  });
  const may = project.role !== "viewer" && !project.archived;
  const reviewers = members.data?.filter(({ role }) => role !== "viewer") ?? [];
  return (
    <section aria-labelledby="comments">
      <h2 id="comments">
        Comments{" "}
        <span className="quiet">{listed && `${listed.length}${found.hasNextPage ? ", and older ones" : ""}`}</span>
      </h2>
      <div className="look-filter">
        <Form.Select
          size="sm"
          aria-label="Which comments"
          value={which}
          onChange={(e) => setWhich(e.target.value as Which)}
        >
          <option value="open">Open</option>
          <option value="resolved">Resolved</option>
          <option value="all">All</option>
        </Form.Select>
        <Form.Select size="sm" aria-label="Written by" value={user} onChange={(e) => setUser(e.target.value)}>
          <option value="">By anybody</option>
          {members.data?.map(({ user: one }) => (
            <option key={one.id} value={one.id}>
              {one.display || one.name}
            </option>
          ))}
        </Form.Select>
        <Form.Select size="sm" aria-label="Whose to see to" value={whose} onChange={(e) => setWhose(e.target.value)}>
          <option value="">For anybody</option>
          <option value={OWN}>Yours: written or to see to</option>
          <option value="0">Given to nobody</option>
          {reviewers.map(({ user: one }) => (
            <option key={one.id} value={one.id}>
              For {one.display || one.name}
            </option>
          ))}
        </Form.Select>
        {inHand !== null && (
          <Form.Select
            size="sm"
            aria-label="Of which case"
            value={everywhere ? "all" : ""}
            onChange={(e) => setEverywhere(e.target.value === "all")}
          >
            <option value="">In {nameOf(inHand, cases)}</option>
            <option value="all">In all cases</option>
          </Form.Select>
        )}
        <Form.Control
          size="sm"
          type="search"
          placeholder="Find in comments"
          aria-label="Find in comments"
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
        <button type="button" className="bin-act" disabled={take.isPending} onClick={() => take.mutate()}>
          as a table (CSV)
        </button>
      </div>
      <FaultLine fault={take.error} />
      {found.isError && <Failure fault={found.error} retry={() => found.refetch()} />}
      {listed?.length === 0 && (
        <p className="quiet">No comment fits. A comment is written beneath a cell, beside the table under “History”.</p>
      )}
      <ul className="look-list">
        {listed?.map((one) => (
          <li key={one.id} data-comment={one.id} className={one.resolved ? "quiet" : ""}>
            <Link {...show(one.image, one.case)} title="Show this cell on the table">
              <Picture
                src={thumbnail(project.id, one.image)}
                width={64}
                height={64}
                loading="lazy"
                alt={`Cell ${one.image}`}
              />
            </Link>
            <div>
              <p>“{one.text}”</p>
              <p className="quiet small">
                {who(one.user)},{" "}
                <time dateTime={one.at} title={when(one.at)}>
                  {ago(one.at)}
                </time>{" "}
                on {one.name}
                {one.case_key && ` of ${one.case_key}`}
                {one.assigned_to !== null &&
                  ` · for ${who(one.assigned_to)}${one.assigned_by === one.assigned_to ? "" : `, said ${who(one.assigned_by ?? 0)}`}`}
                {one.resolved && one.resolved_by !== null && ` · resolved by ${who(one.resolved_by)}`}
              </p>
            </div>
            {may && (
              <div className="look-acts">
                <Form.Select
                  size="sm"
                  className="w-auto"
                  aria-label={`Who sees to “${one.text}”`}
                  disabled={mark.isPending}
                  value={one.assigned_to ?? ""}
                  onChange={(e) =>
                    mark.mutate({ id: one.id, assigned_to: e.target.value ? Number(e.target.value) : null })
                  }
                >
                  <option value="">for nobody yet</option>
                  {reviewers.map(({ user: member }) => (
                    <option key={member.id} value={member.id}>
                      for {member.display || member.name}
                    </option>
                  ))}
                </Form.Select>
                <button
                  type="button"
                  className="btn btn-sm btn-outline-secondary"
                  disabled={mark.isPending}
                  onClick={() => mark.mutate({ id: one.id, resolved: !one.resolved })}
                >
                  {one.resolved ? "Open again" : "Resolve"}
                </button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {found.hasNextPage && (
        <button type="button" className="bin-act" disabled={found.isFetching} onClick={() => found.fetchNextPage()}>
          Older comments
        </button>
      )}
      <FaultLine fault={mark.error} />
    </section>
  );
}
