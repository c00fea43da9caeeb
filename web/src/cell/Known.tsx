import { useState } from "react";
import { Modal } from "react-bootstrap";
import { address } from "../api/client";
import { useMemberNames } from "../api/queries";
import type { KnownCellShown, ClassShown as Mark } from "../api/schema";
import { labelOf, NONE, rowOf, UNSURE } from "../columns/columns";
import { thumbnail } from "../gallery/Crop";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { inks, Letter } from "../ui/marks";
import { usePaced } from "../ui/paced";
import { when } from "../ui/time";
import { LargeCrop } from "./LargeCrop";
import { DISTANCE } from "./Like";
import { useKnown } from "./queries";
import "./known.scss";

/** How often at most what others teach asks anew, milliseconds. */
const APART = 2000;

/** What can stand beside the cell: a signed cell of the laboratory, or a drawing of a type. */
type Beside = { cell: KnownCellShown } | { drawn: string; number: number };

const drawing = ({ drawn, number }: { drawn: string; number: number }) =>
  address(`/drawn-cells/${number}`, { label: drawn });

const keyOf = (one: Beside) => ("cell" in one ? `c${one.cell.image}` : `d${one.drawn}${one.number}`);

/** The nearest known cells as pictures: signed ones of the project, drawn ones of types that have none. */
export function Known({ image }: { image: number | null }) {
  const { project } = useProjectContext();
  const classes = useProjectState((state) => state.columns.classes);
  const labelSet = useProjectState((state) => state.columns.labelSet);
  const followed = useFollowed("known");
  // A type that a person gives, and whatever the classifier learns, change what the cell may be.
  const version = useProjectState(({ columns }) => columns.version[rowOf(columns, image ?? -1)] ?? 0);
  // What others label while one looks at the cell changes little, and comes often.
  const taughtUntil = usePaced(
    useProjectState((state) => state.columns.taughtUntil),
    APART,
  );
  const [open, setOpen] = useState<{ image: number; key: string } | null>(null);
  const known = useKnown(project.id, image, `${followed} ${version} ${taughtUntil}`);
  // Signatures cover types of cells; of other label sets nothing is known.
  if (!known.data || labelSet !== "cell_type") return null;
  const { signed, signed_cells, drawn, undrawn, reference, reference_cells } = known.data;
  const all: Beside[] = [
    ...signed.map((cell) => ({ cell })),
    ...drawn.flatMap(({ label, count }) =>
      Array.from({ length: count }, (_, place) => ({ drawn: label, number: place + 1 })),
    ),
  ];
  const title = (label: string | null) =>
    classes.find((mark) => mark.name === label)?.title ?? label ?? "without a type";
  const beside = open && open.image === image ? all.find((one) => keyOf(one) === open.key) : undefined;
  const list = (
    <ul>
      {all.map((one) => (
        <li key={keyOf(one)}>
          <Card
            one={one}
            classes={classes}
            pressed={one === beside}
            open={() => setOpen({ image: image!, key: keyOf(one) })}
          />
        </li>
      ))}
    </ul>
  );
  return (
    <section className="known" aria-label="Known cells">
      <h3>Known cells nearest to it</h3>
      {signed_cells === 0 && (
        <p className="small quiet">Nobody has signed a case of this project yet: drawn cells stand in.</p>
      )}
      {list}
      {undrawn.length > 0 && <p className="small quiet">Neither signed nor drawn: {undrawn.map(title).join(", ")}.</p>}
      {reference.length > 0 && (
        <p className="small quiet">
          The model learnt from {reference_cells.toLocaleString("en")} cells, of which pictures are kept nowhere; the
          nearest are {reference.map(({ label, cells }) => `${cells} ${title(label)}`).join(", ")}.
        </p>
      )}
      {beside && <SideBySide image={image!} one={beside} list={list} close={() => setOpen(null)} />}
    </section>
  );
}

function Card({
  one,
  classes,
  pressed,
  open,
}: {
  one: Beside;
  classes: readonly Mark[];
  pressed: boolean;
  open: () => void;
}) {
  const { project } = useProjectContext();
  const label = "cell" in one ? one.cell.label : one.drawn;
  const mark = classes.find(({ name }) => name === label);
  const type = mark?.title ?? label;
  const lines =
    "cell" in one ? [one.cell.case_key, one.cell.signed_by.join(", ")] : [`drawn cell ${one.number}`, "no photograph"];
  const said = "cell" in one ? `${type}, case ${lines[0]}, signed by ${lines[1]}` : `${type}, drawn cell ${one.number}`;
  return (
    <button
      type="button"
      className={`known-cell typed${"cell" in one ? "" : " drawn"}`}
      style={inks(mark)}
      title={"cell" in one ? `${said}, distance ${one.cell.distance.toFixed(2)}` : said}
      aria-pressed={pressed}
      onClick={open}
    >
      <img
        src={"cell" in one ? thumbnail(project.id, one.cell.image) : drawing(one)}
        width={48}
        height={48}
        loading="lazy"
        alt=""
      />
      <span>
        <span>
          <Letter mark={mark} /> {type}
        </span>
        {lines.map((line) => (
          <span key={line} className="quiet">
            {line}
          </span>
        ))}
      </span>
    </button>
  );
}

/** The cell in question and a known one, large. */
function SideBySide({
  image,
  one,
  list,
  close,
}: {
  image: number;
  one: Beside;
  list: React.ReactNode;
  close: () => void;
}) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const nameOf = useMemberNames(project.id);
  const row = rowOf(columns, image);
  const code = row < 0 ? NONE : columns.label[row]!;
  const own = code === NONE || code === UNSURE ? undefined : columns.classes[code];
  const read = row < 0 ? undefined : columns.classes[columns.predicted[row]!];
  const label = "cell" in one ? one.cell.label : one.drawn;
  const mark = columns.classes.find(({ name }) => name === label);
  return (
    <Modal show onHide={close} size="lg" centered aria-labelledby="beside">
      <Modal.Header closeButton>
        <Modal.Title as="h1" id="beside">
          Beside a known cell
        </Modal.Title>
      </Modal.Header>
      <Modal.Body>
        <div className="beside">
          <article>
            <LargeCrop
              project={project.id}
              image={image}
              heat={false}
              labelSet={columns.labelSet}
              label={code === NONE ? null : labelOf(columns.classes, code)}
            />
            <dl>
              <dt>Cell</dt>
              <dd>{String(image).padStart(6, "0")}</dd>
              <dt>Labelled</dt>
              <dd>{own?.title ?? (code === UNSURE ? "unsure" : "by nobody yet")}</dd>
              <dt>Read as</dt>
              <dd>{read?.title ?? "not read"}</dd>
            </dl>
          </article>
          <article>
            {"cell" in one ? (
              <LargeCrop
                project={project.id}
                image={one.cell.image}
                heat={false}
                labelSet={columns.labelSet}
                label={label}
              />
            ) : (
              <div className="large">
                <img src={drawing(one)} alt={`Drawn ${mark?.title ?? label}`} />
              </div>
            )}
            <dl>
              <dt>{"cell" in one ? "Signed as" : "Drawn as"}</dt>
              <dd className="typed" style={inks(mark)}>
                <Letter mark={mark} /> {mark?.title ?? label}
              </dd>
              {"cell" in one ? (
                <>
                  <dt>Case</dt>
                  <dd>
                    {one.cell.case_key}, cell {String(one.cell.image).padStart(6, "0")}
                  </dd>
                  <dt>Labelled by</dt>
                  <dd>{nameOf(one.cell.labelled_by)}</dd>
                  <dt>Signed by</dt>
                  <dd>
                    {one.cell.signed_by.join(", ")}, {when(one.cell.signed_at)}
                  </dd>
                  <dt>Scanner</dt>
                  <dd>{one.cell.same_profile ? "the same" : "another one"}</dd>
                  <dt>Distance</dt>
                  <dd>
                    {one.cell.distance.toFixed(2)} ({DISTANCE}){one.cell.teaching && ", a teaching cell"}
                  </dd>
                </>
              ) : (
                <>
                  <dt>Source</dt>
                  <dd>Drawn by HemoSight: no photograph, no patient. It shows what is typical, not what occurs.</dd>
                </>
              )}
            </dl>
          </article>
        </div>
        <div className="known">{list}</div>
      </Modal.Body>
    </Modal>
  );
}
