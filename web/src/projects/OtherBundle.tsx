import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "react-bootstrap";
import { api, body } from "../api/client";
import { names, useMembers } from "../api/queries";
import type { ProjectShown as Project } from "../api/schema";
import { Failure, FaultLine, Loading } from "../ui/states";
import { bundleName, changes } from "./bundle";

/** A project whose bundle this service does not run: why it cannot be shown, and how its administrator mends that. */
export function OtherBundle({ project }: { project: Project }) {
  const queries = useQueryClient();
  const params = { path: { project: project.id } };
  const found = useQuery({
    queryKey: names.bundle(project.id),
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/bundle", { params, signal })),
  });
  const move = useMutation({
    mutationFn: () => body(api.POST("/projects/{project}/bundle", { params })),
    // Nothing that was asked of the project holds any more.
    onSuccess: () => queries.invalidateQueries({ queryKey: names.projects }),
  });
  if (found.isPending) return <Loading what="Comparing the bundles" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  const before = bundleName(found.data.project, found.data.service);
  const here = bundleName(found.data.service, found.data.project);
  return (
    <div className="sheet other-bundle">
      <h1>{project.name}</h1>
      <p>
        This project is read with <strong>{before}</strong>, and this service runs <strong>{here}</strong>. Its cells,
        labels and signed records are all there, but they cannot be shown before one bundle reads them.
      </p>
      {project.role === "admin" ? (
        <section>
          <h2>What changes with {here}</h2>
          <ul>
            {changes(found.data).map((said) => (
              <li key={said}>{said}</li>
            ))}
          </ul>
          <p>
            Before it, see which cells {here} reads otherwise: while a service runs {before}, try{" "}
            <code>hemosight compare-bundles {project.id} --new …</code> on the signed cells.
          </p>
          <FaultLine fault={move.error} />
          <Button disabled={move.isPending} onClick={() => move.mutate()}>
            Read this project with {here}
          </Button>
          <p className="quiet small">
            You can go back: the readings of {before} are kept, and where the service runs it again this page offers it.
          </p>
        </section>
      ) : (
        <Administrators project={project} here={here} />
      )}
      <p className="quiet">
        Nothing has to change: whoever runs the service can start it with {before} (<code>--bundle</code>) instead.
      </p>
    </div>
  );
}

/** Whom to ask. */
function Administrators({ project, here }: { project: Project; here: string }) {
  const members = useMembers(project.id);
  const admins = members.data?.filter((one) => one.role === "admin").map((one) => one.user.display || one.user.name);
  return (
    <p>
      An administrator of the project can let {here} read it{admins?.length ? `: ${admins.join(", ")}` : ""}. Labels and
      signed records stay as they are.
    </p>
  );
}
