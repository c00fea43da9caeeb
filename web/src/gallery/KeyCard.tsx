import { Modal } from "react-bootstrap";
import type { ClassShown as Mark } from "../api/schema";
import { inTree, inUse } from "../columns/columns";
import { Keys } from "../ui/keys";
import { Letter } from "../ui/marks";
import { KEY_CARD } from "./keys";

/** All keys of the desk, on one card. */
export function KeyCard({ classes, show, close }: { classes: readonly Mark[]; show: boolean; close: () => void }) {
  return (
    <Modal show={show} onHide={close} centered aria-labelledby="key-card">
      <Modal.Header closeButton>
        <Modal.Title as="h2" id="key-card">
          Keys
        </Modal.Title>
      </Modal.Header>
      <Modal.Body className="key-card">
        <ul>
          {inTree(inUse(classes)).map((mark) => (
            <li key={mark.name}>
              <Letter mark={mark} spoken /> {mark.title}
            </li>
          ))}
        </ul>
        <Keys keys={KEY_CARD} />
      </Modal.Body>
    </Modal>
  );
}
