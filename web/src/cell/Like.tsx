import { type Columns, labelOf, rowOf } from "../columns/columns";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { inks } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { useNeighbours } from "./queries";

/** What a distance between two cells means: it is between unit vectors, and so has no unit. */
export const DISTANCE = "0 is the same picture, 2 as unlike as can be";

/** What a cell is taken for now: its label, else its reading; `otherwise` where it is not on the table. */
function said(columns: Columns, image: number, otherwise: string | null): string | null {
  const row = rowOf(columns, image);
  if (row < 0) return otherwise;
  return labelOf(columns.classes, columns.label[row]!) ?? labelOf(columns.classes, columns.predicted[row]!);
}

/** The nearest cells of the project with their distances. */
export function Like({ image, title, show }: { image: number | null; title: string; show: (image: number) => void }) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const { classes } = columns;
  const near = useNeighbours(project.id, image);
  const items = near.data?.flatMap(({ image: other, ...item }) =>
    other !== null && other !== image ? [{ ...item, other, label: said(columns, other, item.label) }] : [],
  );
  if (!items?.length) return null;
  return (
    <section className="like">
      <h3>{title}</h3>
      <p className="small quiet">Beneath each its distance: {DISTANCE}.</p>
      <ul>
        {items.map(({ other, label, distance }) => {
          const mark = classes.find((mark) => mark.name === label);
          const description = `${mark?.title ?? (label === "?" ? "unsure" : label) ?? "no type"}, distance ${distance.toFixed(2)}`;
          return (
            <li key={other} className="typed" style={inks(mark)}>
              <button
                type="button"
                title={description}
                aria-label={`Cell ${other}, ${description}`}
                onClick={() => show(other)}
              >
                <Picture src={thumbnail(project.id, other)} width={48} height={48} loading="lazy" alt="" />
              </button>
              <small>{distance.toFixed(2)}</small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
