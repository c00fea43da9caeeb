import { useState } from "react";
import { Modal } from "react-bootstrap";
import { labelOf, NONE, READ, rowOf } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { TypeName } from "../ui/marks";
import { LargeCrop } from "./LargeCrop";
import { Like } from "./Like";
import { useImage, useNeighbours } from "./queries";
import { Bars } from "./Readings";

/** How many cells stand side by side. */
const SIDE_BY_SIDE = 4;

/** The chosen cell beside others: those selected with it, or its like. */
export default function Compare({ close, known }: { close: () => void; known: (image: number) => boolean }) {
  const { project } = useProjectContext();
  const chosen = useProjectState((state) => state.chosen)!;
  const selection = useProjectState((state) => state.selection);
  const [selected] = useState(() => [...selection].filter((image) => image !== chosen));
  /** From which of the selected cells on they stand beside it. */
  const [from, setFrom] = useState(0);
  const [picked, setOthers] = useState<number[] | null>(() => (selected.length ? turned(selected, 0) : null));
  // Where nothing was selected with it, its nearest like stand beside it.
  const near = useNeighbours(project.id, chosen);
  const others =
    picked ??
    (near.data ?? [])
      .flatMap(({ image }) => (image !== null && image !== chosen ? [image] : []))
      .slice(0, SIDE_BY_SIDE - 1);
  const beside = (image: number) => {
    if (!known(image)) return;
    setOthers([...others.filter((other) => other !== image), image].slice(1 - SIDE_BY_SIDE));
  };
  return (
    <Modal show onHide={close} size="xl" centered aria-labelledby="compare">
      <Modal.Header closeButton>
        <Modal.Title as="h2" id="compare">
          Side by side
        </Modal.Title>
      </Modal.Header>
      <Modal.Body>
        {selected.length >= SIDE_BY_SIDE && (
          <p className="compare-more">
            {selected.length + 1} cells are selected; {SIDE_BY_SIDE} fit beside one another.
            <button
              type="button"
              className="bin-act"
              onClick={() => {
                const next = from + SIDE_BY_SIDE - 1 < selected.length ? from + SIDE_BY_SIDE - 1 : 0;
                setFrom(next);
                setOthers(turned(selected, next));
              }}
            >
              show the next
            </button>
            <span className="quiet" role="status">
              {from + 1} to {Math.min(from + SIDE_BY_SIDE - 1, selected.length)} of {selected.length} beside cell{" "}
              {String(chosen).padStart(6, "0")}
            </span>
          </p>
        )}
        <div className="compare">
          {[chosen, ...others].map((image) => (
            <Side key={image} image={image} />
          ))}
        </div>
        <Like image={chosen} title="Put one of its like beside it" show={beside} />
      </Modal.Body>
    </Modal>
  );
}

/** Those of the selected cells that stand beside the chosen one. */
const turned = (selected: readonly number[], from: number) => selected.slice(from, from + SIDE_BY_SIDE - 1);

function Side({ image }: { image: number }) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const row = rowOf(columns, image);
  const followed = useFollowed("cell");
  const detail = useImage(project.id, image, `${columns.event} ${columns.version[row] ?? 0} ${followed}`);
  const code = columns.label[row] !== NONE ? columns.label[row]! : columns.predicted[row]!;
  const probabilities = detail.data?.sets[columns.labelSet]?.probabilities;
  return (
    <article aria-label={`Cell ${image}`}>
      <LargeCrop
        project={project.id}
        image={image}
        heat={false}
        labelSet={columns.labelSet}
        label={labelOf(columns.classes, code)}
      />
      <p className="mt-2 mb-1">
        {columns.status[row] === READ && <TypeName mark={columns.classes[code]} />}{" "}
        <span className="quiet small">cell {String(image).padStart(6, "0")}</span>
      </p>
      {probabilities && <Bars probabilities={probabilities} classes={columns.classes} most={3} />}
    </article>
  );
}
