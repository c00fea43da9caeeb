import { useMemo } from "react";
import { address } from "../api/client";
import type { ClassShown as Mark } from "../api/schema";
import { useFindings, useFindingsChange } from "../findings/queries";
import { inks, Letter } from "../ui/marks";
import { type Chosen, representatives } from "./differential";

interface Props {
  cells: Chosen;
  classes: Mark[];
  ofCase: number | null;
  project: number;
  /** The case whose report is to show what is pressed; null where nothing may be changed. */
  mark: number | null;
}

/** Six crops that stand for each type. */
export function Crops({ cells, classes, ofCase, project, mark: toMark }: Props) {
  const onReport = useFindings(toMark).data?.cells ?? [];
  const change = useFindingsChange(toMark);
  const chosen = useMemo(() => representatives(cells, classes.length, 6, ofCase), [cells, classes, ofCase]);
  return (
    <section className="report-crops" aria-label="Crops of each type">
      {classes.map((mark, code) =>
        chosen[code]!.length === 0 ? null : (
          <figure key={mark.name} className="typed" style={inks(mark)}>
            <figcaption>
              <Letter mark={mark} /> {mark.title}
            </figcaption>
            <div>
              {chosen[code]!.map((id) => {
                const crop = (
                  <img
                    key={id}
                    src={address(`/projects/${project}/images/${id}/thumbnail`)}
                    alt={`${mark.title}, cell ${id}`}
                  />
                );
                if (toMark === null) return crop;
                const shown = onReport.includes(id);
                return (
                  <button
                    key={id}
                    type="button"
                    className="report-crop"
                    aria-pressed={shown}
                    aria-label={`${mark.title}, cell ${id}, on the report`}
                    onClick={() => change.mutate(() => (shown ? { remove: [id] } : { add: [id] }))}
                  >
                    {crop}
                  </button>
                );
              })}
            </div>
          </figure>
        ),
      )}
    </section>
  );
}
