import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { useProjectContext, useProjectState } from "../project/context";
import { FaultLine } from "../ui/states";
import { nameOf } from "./inHand";

const cells = (count: number) => (count === 1 ? "1 cell" : `${count.toLocaleString("en")} cells`);

/** Cells that the service moves or deletes in one request. */
const AT_ONCE = 10_000;

/** Does it for as many cells as it takes, one request after the other; gives how many it was done to. */
async function inParts(
  images: readonly number[],
  act: (some: number[]) => Promise<{ cells: number }>,
): Promise<number> {
  let done = 0;
  for (let at = 0; at < images.length; at += AT_ONCE) done += (await act(images.slice(at, at + AT_ONCE))).cells;
  return done;
}

interface Props {
  images: readonly number[];
  close: () => void;
}

/** Put cells into another case, which is made where it does not exist. */
export function MoveCells({ images, close }: Props) {
  const { project, store } = useProjectContext();
  const cases = useProjectState((state) => state.columns.cases);
  const inHand = useProjectState((state) => state.case);
  const [key, setKey] = useState("");
  const id = useId();
  const path = { project: project.id };
  const move = useMutation({
    mutationFn: async () => {
      const name = key.trim();
      const known = cases.find((one) => one.key === name);
      const target =
        known ??
        (await body(api.POST("/projects/{project}/cases", { params: { path }, body: { key: name, note: "" } })));
      return inParts(images, (some) =>
        body(
          api.POST("/projects/{project}/images/move", { params: { path }, body: { images: some, case: target.id } }),
        ),
      );
    },
    onSuccess: (moved) => {
      store.select([]);
      store.notify({ kind: "done", text: `${cells(moved)} moved to case ${key.trim()}`, images: [], undo: false });
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    move.mutate();
  };
  return (
    <Modal show onHide={close} centered aria-labelledby={`${id}-title`}>
      <Form onSubmit={submit}>
        <Modal.Header closeButton>
          <Modal.Title as="h2" id={`${id}-title`}>
            Move {cells(images.length)} from{" "}
            {nameOf(inHand, cases).toLowerCase() === "all cases" ? "their cases" : nameOf(inHand, cases)}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body>
          <Form.Label htmlFor={id}>To case</Form.Label>
          <Form.Control
            id={id}
            autoFocus
            required
            maxLength={200}
            autoComplete="off"
            list={`${id}-known`}
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
          <datalist id={`${id}-known`}>
            {cases
              .filter((one) => one.id !== inHand)
              .map((one) => (
                <option key={one.id} value={one.key} />
              ))}
          </datalist>
          <Form.Text>A key that is not there yet makes a new case. Labels go with their cells.</Form.Text>
          <FaultLine fault={move.error} />
        </Modal.Body>
        <Modal.Footer>
          <Button type="submit" disabled={move.isPending}>
            Move
          </Button>
        </Modal.Footer>
      </Form>
    </Modal>
  );
}

/** Delete cells, after saying what goes and what stays. */
export function DeleteCells({ images, close }: Props) {
  const { project, store } = useProjectContext();
  const id = useId();
  const remove = useMutation({
    mutationFn: () =>
      inParts(images, (some) =>
        body(
          api.POST("/projects/{project}/images/delete", {
            params: { path: { project: project.id } },
            body: { images: some },
          }),
        ),
      ),
    onSuccess: (gone) => {
      store.select([]);
      store.notify({ kind: "done", text: `${cells(gone)} deleted`, images: [], undo: false });
      close();
    },
  });
  return (
    <Modal show onHide={close} centered aria-labelledby={id}>
      <Modal.Header closeButton>
        <Modal.Title as="h2" id={id}>
          Delete {cells(images.length)}?
        </Modal.Title>
      </Modal.Header>
      <Modal.Body>
        <p>
          They go from the table, the counts and what the model has learnt, and cannot be brought back. The audit trail
          keeps their numbers and checksums, not their names; the labels that people gave stay in the records.
        </p>
        <FaultLine fault={remove.error} />
      </Modal.Body>
      <Modal.Footer>
        <Button variant="outline-secondary" onClick={close}>
          Keep
        </Button>
        <Button variant="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
          Delete
        </Button>
      </Modal.Footer>
    </Modal>
  );
}
