import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Dropdown, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { useSession } from "../api/queries";
import type { NewView, View, ViewShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";
import type { Arrangement } from "./arrangement";
import { filterOf, foldedOf, handOver, viewOf } from "./views";

interface Props {
  arrangement: Arrangement;
  size: number;
  setSize: (size: number) => void;
}

/** One's own views and those that others share: take one up, keep the present one under a name, share or forget one. */
export function Views({ arrangement, size, setSize }: Props) {
  const { project, store } = useProjectContext();
  const me = useSession().data?.user?.id;
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  const key = ["projects", project.id, "views"];
  const params = { path: { project: project.id } };
  const put = (view: NewView) => body(api.PUT("/projects/{project}/views", { params, body: view }));
  const views = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const list = async () => (await body(api.GET("/projects/{project}/views", { params, signal }))).items;
      const found = await list();
      const there = found.filter(({ user }) => user === me).map(({ name }) => name);
      return (await handOver(project.id, there, put)) ? list() : found;
    },
    enabled: me !== undefined,
  });
  const known = views.data;
  const again = () => queries.invalidateQueries({ queryKey: key });
  const keep = useMutation({ mutationFn: put, onSuccess: again });
  const forget = useMutation({
    mutationFn: (view: number) =>
      body(api.DELETE("/projects/{project}/views/{view}", { params: { path: { ...params.path, view } } })),
    onSuccess: again,
  });
  const take = async (view: View) => {
    // Which bins it folds is known with the classes of its label set.
    if (view.label_set && !(await store.useLabelSet(view.label_set))) return;
    arrangement.setSort(view.sort ?? "uncertain");
    arrangement.setFilter(filterOf(view));
    arrangement.setUnusualApart(view.unusual_apart ?? true);
    arrangement.setFolded(foldedOf(view, store.snapshot().columns.classes));
    if (view.size) setSize(view.size);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const view = viewOf(arrangement, store.snapshot().columns, size);
    keep.mutate({ name: name.trim(), shared, view }, { onSuccess: () => setName("") });
  };
  const mayShare = project.role !== "viewer" && !project.archived;
  const row = (view: ViewShown) => {
    const isOwn = view.user === me;
    return (
      <div key={view.id} className="views-row">
        <Dropdown.Item onClick={() => void take(view.view)} title={isOwn ? undefined : `shared by ${view.by}`}>
          {view.name}
          {!isOwn && <span className="quiet small"> {view.by}</span>}
        </Dropdown.Item>
        {isOwn && mayShare && (
          <button
            type="button"
            className="bin-act"
            aria-pressed={view.shared}
            aria-label={view.shared ? `Keep the view ${view.name} to oneself` : `Share the view ${view.name}`}
            title={view.shared ? "The project sees it" : "Nobody else sees it"}
            onClick={() => keep.mutate({ name: view.name, shared: !view.shared, view: view.view })}
          >
            {view.shared ? "shared" : "share"}
          </button>
        )}
        {(isOwn || project.role === "admin") && (
          <button
            type="button"
            className="bin-act"
            aria-label={`Forget the view ${view.name}`}
            onClick={() => forget.mutate(view.id)}
          >
            ×
          </button>
        )}
      </div>
    );
  };
  return (
    <Dropdown autoClose="outside">
      <Dropdown.Toggle variant="link" size="sm">
        views
      </Dropdown.Toggle>
      <Dropdown.Menu className="views-menu">
        {known?.length === 0 && (
          <p className="quiet small">
            Sorting, filter, size and folded bins, kept under a name and shared if you like.
          </p>
        )}
        {known?.map(row)}
        {!project.archived && (
          <form onSubmit={submit}>
            <Form.Control
              size="sm"
              required
              pattern=".*\S.*"
              maxLength={40}
              placeholder="Keep this view as"
              aria-label="Keep this view as"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
            <button type="submit" className="bin-act" disabled={keep.isPending}>
              keep
            </button>
          </form>
        )}
        {mayShare && (
          <Form.Check
            id="share-view"
            className="views-share small"
            label="share it with the project"
            checked={shared}
            onChange={(event) => setShared(event.target.checked)}
          />
        )}
        <FaultLine fault={views.error ?? keep.error ?? forget.error} />
      </Dropdown.Menu>
    </Dropdown>
  );
}
