import { useState } from "react";
import { Modal } from "react-bootstrap";
import { labelOf, NONE, READ, rowOf } from "../columns/columns";
import { useDesk, useRoom } from "../project/context";
import { TypeName } from "../ui/marks";
import { Bars, Like, useImage, useNeighbours } from "./CellPanel";
import { LargeCrop } from "./LargeCrop";

/** How many cells stand side by side. */
const SIDE_BY_SIDE = 4;

/** The chosen cell beside others: those selected with it, or its like. */
export default function Compare({ close, known }: { close: () => void; known: (image: number) => boolean }) {
  const { project } = useRoom();
  const chosen = useDesk((desk) => desk.chosen)!;
  const selection = useDesk((desk) => desk.selection);
  const [picked, setOthers] = useState<number[] | null>(() => {
    const selected = [...selection].filter((image) => image !== chosen);
    return selected.length ? selected.slice(0, SIDE_BY_SIDE - 1) : null;
  });
  // Where nothing was selected with it, its nearest like stand beside it.
  const near = useNeighbours(project.id, chosen, "project");
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
        <Modal.Title as="h1" id="compare">
          Side by side
        </Modal.Title>
      </Modal.Header>
      <Modal.Body>
        <div className="compare">
          {[chosen, ...others].map((image) => (
            <Side key={image} image={image} />
          ))}
        </div>
        <Like image={chosen} among="project" title="Put one of its like beside it" show={beside} />
        <Like image={chosen} among="reference" title="Known cells nearest to it" show={beside} />
        <p className="small quiet mb-0">
          Of known cells the model keeps type and place, not the picture. {project.name} has the pictures of its own.
        </p>
      </Modal.Body>
    </Modal>
  );
}

function Side({ image }: { image: number }) {
  const { project } = useRoom();
  const columns = useDesk((desk) => desk.columns);
  const row = rowOf(columns, image);
  const detail = useImage(project.id, image, columns.revision, columns.version[row] ?? 0);
  const code = columns.label[row] !== NONE ? columns.label[row]! : columns.predicted[row]!;
  const probabilities = detail.data?.sets[columns.labelSet]?.probabilities;
  return (
    <article>
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
