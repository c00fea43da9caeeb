import { useLabelSets, worded } from "../api/queries";
import type { ImageShown as ImageDetail, ClassShown as Mark } from "../api/schema";
import { useProjectContext, useProjectState } from "../project/context";
import { inks, Letter } from "../ui/marks";

/** How probable each class of these label sets is, by the model; `elsewhere` for sets that are not on the desk. */
export function Readings({
  detail,
  names,
  elsewhere = false,
}: {
  detail: ImageDetail;
  names: string[];
  elsewhere?: boolean;
}) {
  const { project } = useProjectContext();
  const sets = useLabelSets(project.id);
  const columns = useProjectState((state) => state.columns);
  return names.map((name) => {
    const probabilities = detail.sets[name]?.probabilities ?? {};
    const set = sets.data?.find((set) => set.name === name);
    // The desk knows the classes of its own label set before the list of all of them is there.
    const classes = set?.classes ?? (name === columns.labelSet ? columns.classes : []);
    const title = set?.title ?? worded(name);
    if (!Object.keys(probabilities).length) return null;
    return (
      <section key={name} aria-label={title}>
        {elsewhere && <h3>{title}</h3>}
        <Bars probabilities={probabilities} classes={classes} most={elsewhere ? 3 : 9} keyed={!elsewhere} />
      </section>
    );
  });
}

/** Below this a bar says nothing. */
const SHOWN = 0.01;

export function Bars({
  probabilities,
  classes,
  most,
  keyed = true,
}: {
  probabilities: Record<string, number>;
  classes: Mark[];
  most: number;
  /** Whether the classes' letters are keys here: those of a set that is not on the desk do nothing, and are not shown. */
  keyed?: boolean;
}) {
  const rows = Object.entries(probabilities)
    .filter(([, value], at) => value >= SHOWN || at === 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, most);
  return (
    <ul className={keyed ? "bars" : "bars bars-plain"}>
      {rows.map(([name, value]) => {
        const mark = classes.find((mark) => mark.name === name);
        return (
          <li key={name} className="typed" style={keyed ? inks(mark) : undefined}>
            {keyed && (mark ? <Letter mark={mark} /> : <span />)}
            <span className="name">{worded(mark?.title ?? name)}</span>
            <span className="track" aria-hidden="true">
              <i style={{ width: `${100 * value}%` }} />
            </span>
            <span className="value">{value >= 0.995 ? ">.99" : value.toFixed(2).replace(/^0/, "")}</span>
          </li>
        );
      })}
    </ul>
  );
}
