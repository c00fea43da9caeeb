import { useMemo } from "react";
import { address } from "../api/client";
import type { Columns } from "../columns/columns";
import { inks, Letter } from "../ui/marks";
import { representatives } from "./differential";

/** Six crops that stand for each type. */
export function Crops({ columns, ofCase, project }: { columns: Columns; ofCase: number | null; project: number }) {
  const chosen = useMemo(() => representatives(columns, columns.classes.length, 6, ofCase), [columns, ofCase]);
  return (
    <section className="report-crops" aria-label="Crops of each type">
      {columns.classes.map((mark, code) =>
        chosen[code]!.length === 0 ? null : (
          <figure key={mark.name} className="typed" style={inks(mark)}>
            <figcaption>
              <Letter mark={mark} /> {mark.title}
            </figcaption>
            <div>
              {chosen[code]!.map((id) => (
                <img
                  key={id}
                  src={address(`/projects/${project}/images/${id}/thumbnail`)}
                  alt={`${mark.title}, cell ${id}`}
                />
              ))}
            </div>
          </figure>
        ),
      )}
    </section>
  );
}
