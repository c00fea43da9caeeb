import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, body } from "../api/client";
import { useMemberNames } from "../api/queries";
import type { DoubtShown, ClassShown as Mark } from "../api/schema";
import { nameOf } from "../cases/inHand";
import { lockedCases } from "../columns/columns";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { requestName } from "../project/sender";
import { SignedBanner } from "../signing/SignedBanner";
import { inks, Letter } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { Failure, FaultLine, Loading } from "../ui/states";
import { Comments } from "./Comments";
import { useShow } from "./show";
import "./look.scss";

/** What wants a second look in the case in hand: labels that look wrong, and comments. */
export default function SecondLook() {
  const { project } = useProjectContext();
  const inHand = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  return (
    <div className="sheet look">
      <h1>Second look</h1>
      {cases.length > 0 && <p className="quiet">{inHand ? `Case ${nameOf(inHand, cases)}` : nameOf(inHand, cases)}</p>}
      <p className="quiet">
        Who labelled what, and what others made of it: <Link to={`/projects/${project.id}/reviews`}>Reviews</Link>. To
        have cells read again blind, begin a <Link to={`/projects/${project.id}/panels`}>panel</Link>.
      </p>
      <SignedBanner />
      <Doubts />
      <Comments />
    </div>
  );
}

function Doubts() {
  const { project, store } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const inHand = useProjectState((state) => state.case);
  const columns = useProjectState((state) => state.columns);
  const changes = useFollowed("doubts");
  const queries = useQueryClient();
  const who = useMemberNames(project.id);
  const show = useShow();
  const root = ["projects", project.id, "doubts"];
  const found = useQuery({
    queryKey: [...root, labelSet, inHand, changes],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/doubts", {
          params: { path: { project: project.id }, query: { case: inHand ?? undefined, label_set: labelSet } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
  // A label that is given again as it stands changes nothing on the table: it goes to the service alone.
  const keep = useMutation({
    mutationFn: ({ image, label, version }: DoubtShown) =>
      body(
        api.POST("/projects/{project}/labels", {
          params: { path: { project: project.id } },
          body: {
            request: requestName(),
            label_set: labelSet,
            kind: "set",
            items: [{ image, label, version }],
          },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: root }),
  });
  if (found.isPending) return <Loading what="Comparing labels with one another" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  const may = project.role !== "viewer" && !project.archived;
  const locked = lockedCases(columns);
  const mark = (name: string) => columns.classes.find((one) => one.name === name);
  const { items, doubted, labelled } = found.data;
  const listed = items.length.toLocaleString("en");
  return (
    <section aria-labelledby="doubts">
      <h2 id="doubts">
        Labels that look wrong{" "}
        <span className="quiet">
          {doubted > items.length ? `${listed} of ${doubted.toLocaleString("en")}` : listed}
        </span>
      </h2>
      <p className="quiet">
        Each labelled cell is read by a model that learnt all labels but its own. Where it reads another type, one of
        the two is wrong, and it may be the model.
      </p>
      {!items.length && (
        <p>{labelled ? `None of ${labelled.toLocaleString("en")} labelled cells.` : "No cell is labelled yet."}</p>
      )}
      <ul className="look-list">
        {items.map((one) => (
          <li key={one.image} data-image={one.image}>
            <Link {...show(one.image)} title="Show this cell on the table">
              <Picture
                src={thumbnail(project.id, one.image)}
                width={64}
                height={64}
                loading="lazy"
                alt={`Cell ${one.image}`}
              />
            </Link>
            <div>
              <p>
                <Named mark={mark(one.label)} name={one.label} /> said {who(one.by)}
                {one.own !== null && <span className="quiet"> · {Math.round(100 * one.own)}% without this label</span>}
              </p>
              <p>
                <Named mark={mark(one.read)} name={one.read} /> by all other labels
                {one.other !== null && <span className="quiet"> · {Math.round(100 * one.other)}%</span>}
              </p>
              {one.repeated && <p className="quiet small">Looked at again and left.</p>}
            </div>
            {may && !locked.has(one.case ?? -1) && (
              <div className="look-acts">
                <button
                  type="button"
                  className="btn btn-sm btn-outline-primary"
                  onClick={() => store.label([one.image], one.read)}
                >
                  Change to {mark(one.read)?.title ?? one.read}
                </button>
                {!one.repeated && (
                  <button
                    type="button"
                    className="btn btn-sm btn-outline-secondary"
                    disabled={keep.isPending}
                    onClick={() => keep.mutate(one)}
                  >
                    Keep {mark(one.label)?.title ?? one.label}
                  </button>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
      <FaultLine fault={keep.error} />
    </section>
  );
}

function Named({ mark, name }: { mark: Mark | undefined; name: string }) {
  return (
    <span className="typed" style={inks(mark)}>
      <Letter mark={mark} /> <b>{mark?.title ?? name}</b>
    </span>
  );
}
