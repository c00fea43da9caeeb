import { type FormEvent, useId, useState } from "react";
import { Form, Modal } from "react-bootstrap";
import { useProjectContext } from "../project/context";
import { toggled, useTags, worn } from "./queries";
import "./tags.scss";

const PRESSED = { all: true, some: "mixed", none: false } as const;

interface Props {
  images: number[];
  /** The tag that was put on or taken off last, which the key "." repeats. */
  used: (name: string) => void;
  close: () => void;
}

/** Put tags on cells and take them off: those of the project by a click, a new one by its name. */
export default function TagDialog({ images, used, close }: Props) {
  const { store } = useProjectContext();
  const tags = useTags();
  const [name, setName] = useState("");
  const id = useId();
  const toggle = (tag: string) => {
    void store.tag(images, tag, toggled(tags, tag, images));
    used(tag);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = name.trim();
    if (!wanted) return;
    void store.tag(images, wanted, true);
    used(wanted);
    close();
  };
  const fitting = tags.filter((tag) => tag.name.toLowerCase().includes(name.trim().toLowerCase()));
  return (
    <Modal show onHide={close} centered size="sm" aria-labelledby={`${id}-title`}>
      <Form onSubmit={submit}>
        <Modal.Header closeButton>
          <Modal.Title as="h2" id={`${id}-title`}>
            Tag {images.length === 1 ? "this cell" : `${images.length.toLocaleString("en")} cells`}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body>
          <Form.Control
            autoFocus
            size="sm"
            maxLength={40}
            pattern="[^;]*"
            title="At most 40 characters, no semicolon"
            placeholder="A tag, then Enter"
            aria-label="Tag"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          {fitting.length > 0 && (
            <ul className="tag-list">
              {fitting.map((tag) => (
                <li key={tag.name}>
                  <button
                    type="button"
                    className="tag"
                    aria-pressed={PRESSED[worn(tag, images)]}
                    onClick={() => toggle(tag.name)}
                  >
                    {tag.name} <span className="quiet">{tag.images.length.toLocaleString("en")}</span>
                  </button>
                </li>
              ))}
            </ul>
          )}
          <p className="small quiet mb-0">
            Tags say nothing of what a cell is: the model learns nothing from them, and they are no part of a signed
            record. Everybody in the project sees them.
          </p>
        </Modal.Body>
      </Form>
    </Modal>
  );
}
