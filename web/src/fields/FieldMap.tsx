import { Link } from "react-router";
import type { FieldShown } from "../api/schema";
import { useCaseSearch } from "../cases/InHand";
import { useProjectContext } from "../project/context";
import { type FilmMap, fairnessOf, legendOf, mapsOf, type Spot } from "./map";
import { countWords } from "./words";

const share = (value: number) => `${100 * value}%`;

/** Where counting is fair: every field of the case as a small tile, with the reason where it is not. */
export function FieldMap({ fields }: { fields: FieldShown[] }) {
  return (
    <section className="field-map" aria-label="Where counting is fair">
      <ul className="field-legend">
        {legendOf(fields).map(({ kind, words, fields: count, cells }) => (
          <li key={kind}>
            <i className={`swatch ${kind}`} aria-hidden="true" />
            {words}: {count.toLocaleString("en")} {count === 1 ? "field" : "fields"}, {cells.toLocaleString("en")} cells
          </li>
        ))}
      </ul>
      {mapsOf(fields).map((map) => (
        <Film key={map.spots[0]!.field.id} map={map} />
      ))}
    </section>
  );
}

const MOST = { tile: 96, height: 320 };

function Film({ map }: { map: FilmMap }) {
  const count = map.spots.length;
  const wide = Math.min(MOST.height * map.aspect, MOST.tile / Math.max(...map.spots.map(({ width }) => width)));
  return (
    <figure>
      <div className="field-film" style={{ aspectRatio: map.aspect, maxWidth: `min(100%, ${Math.round(wide)}px)` }}>
        {map.spots.map((spot) => (
          <Tile key={spot.field.id} spot={spot} />
        ))}
      </div>
      <figcaption className="quiet small">
        {map.placed
          ? "Where the fields lie on the film. A cell that two of them show counts once."
          : count > 1 &&
            "In the order they came: nothing says where on the film they lie. Where they overlap, a cell counts twice."}
      </figcaption>
    </figure>
  );
}

function Tile({ spot: { field, left, top, width, height } }: { spot: Spot }) {
  const { project } = useProjectContext();
  const search = useCaseSearch();
  const words = `${field.name}: ${countWords(field)}. ${field.fairness}`;
  return (
    <Link
      to={{ pathname: `/projects/${project.id}/fields/${field.id}`, search }}
      className={fairnessOf(field)}
      style={{ left: share(left), top: share(top), width: share(width), height: share(height) }}
      aria-label={words}
      title={words}
    >
      <span aria-hidden="true">{field.cells}</span>
    </Link>
  );
}
