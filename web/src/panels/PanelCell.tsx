import { useMutation, useQueryClient } from "@tanstack/react-query";
import { address, api, body } from "../api/client";
import type { CellResultShown, ClassShown as Mark, PanelShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { FaultLine } from "../ui/states";
import { nameIn } from "./figures";
import { panelsKey } from "./Panels";

/** A cell of a closed panel: what each reader said, the consensus, and the decision where they differ. */
export function PanelCell({
  panel,
  cell,
  marks,
}: {
  panel: PanelShown;
  cell: CellResultShown;
  marks: Map<string, Mark>;
}) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const path = { project: project.id, panel: panel.id };
  const decide = useMutation({
    mutationFn: (label: string) =>
      body(
        api.POST("/projects/{project}/panels/{panel}/decisions", {
          params: { path },
          body: { image: cell.image, label, note: "" },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: [...panelsKey(project.id), panel.id, "results"] }),
  });
  const options = [...new Set([...cell.said.map((one) => one.label), ...(cell.consensus ? [cell.consensus] : [])])];
  const consensus = cell.consensus ? marks.get(cell.consensus) : undefined;
  return (
    <figure className="panel-result" data-image={cell.image}>
      <img
        src={address(`/projects/${project.id}/images/${cell.image}/picture`)}
        alt={`Cell ${cell.image}`}
        loading="lazy"
      />
      <figcaption>
        <ul>
          {cell.said.map((one, at) => (
            <li key={one.user ?? `other ${at}`} className={one.suspect ? "suspect" : undefined}>
              {one.user !== null && `${nameIn(panel, one.user)}: `}
              {marks.get(one.label)?.title ?? "Unsure"}
              {one.suspect && <span title="Probably wrong, by the consensus"> !</span>}
            </li>
          ))}
        </ul>
        {consensus && (
          <p className="typed" style={inks(consensus)}>
            Consensus: {consensus.title} {cell.probability?.toFixed(2)}
          </p>
        )}
        {cell.decision && <p className="decided">Decided: {marks.get(cell.decision.label)?.title}</p>}
        {cell.differing && (
          <div className="panel-decide">
            {options
              .filter((label) => label !== "?")
              .map((label) => (
                <button
                  type="button"
                  key={label}
                  aria-label={`Decide ${marks.get(label)?.title ?? label} for cell ${cell.image}`}
                  disabled={decide.isPending || project.role === "viewer"}
                  onClick={() => decide.mutate(label)}
                >
                  <Letter mark={marks.get(label)} />
                </button>
              ))}
          </div>
        )}
        <FaultLine fault={decide.error} />
      </figcaption>
    </figure>
  );
}
