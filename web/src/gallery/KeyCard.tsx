import { Modal } from "react-bootstrap";
import type { Mark } from "../api/types";
import { Letter } from "../ui/marks";
import { KEY_CARD } from "./keys";

/** All keys of the desk, on one card. */
export function KeyCard({ classes, show, close }: { classes: readonly Mark[]; show: boolean; close: () => void }) {
  return (
    <Modal show={show} onHide={close} centered aria-labelledby="key-card">
      <Modal.Header closeButton>
        <Modal.Title as="h1" id="key-card">
          Keys
        </Modal.Title>
      </Modal.Header>
      <Modal.Body className="key-card">
        <ul>
          {classes.map((mark) => (
            <li key={mark.name}>
              <Letter mark={mark} /> {mark.title}
            </li>
          ))}
        </ul>
        <dl>
          {KEY_CARD.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd className="key">{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </Modal.Body>
    </Modal>
  );
}
