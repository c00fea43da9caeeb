import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { useMembers } from "../api/queries";
import type { CaseChange, CaseShown } from "../api/schema";
import { useProfileActions, useProfiles } from "../profiles/profiles";
import { useProjectContext } from "../project/context";
import { DayField } from "../ui/DayField";
import { FaultLine } from "../ui/states";

/** A moment as a field of day and time has it, of this place. */
function local(moment: string | null): string {
  if (!moment) return "";
  const at = new Date(moment);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace("T", " ");
}

const moment = (field: string) => (field ? new Date(field.replace(" ", "T")).toISOString() : null);

/** A case as the form's fields have it. */
const fieldsOf = (one: CaseShown) => ({
  key: one.key,
  accession: one.accession,
  collected: local(one.collected_at),
  received: local(one.received_at),
  wbc: one.wbc === null ? "" : String(one.wbc),
  note: one.note,
  assigned: one.assigned_to === null ? "" : String(one.assigned_to),
});

/**
 * What somebody changed in the form. The rest is not sent: another person may have changed it meanwhile, a moment has
 * seconds that the form does not show, and a signed case can be given to another reviewer though its specimen is locked.
 */
export function changed(given: CaseShown, fields: ReturnType<typeof fieldsOf>): CaseChange {
  const { key, accession, collected, received, wbc, note, assigned } = fields;
  const was = fieldsOf(given);
  return {
    ...(key !== was.key && { key }),
    ...(accession !== was.accession && { accession }),
    ...(collected !== was.collected && { collected_at: moment(collected) }),
    ...(received !== was.received && { received_at: moment(received) }),
    ...(wbc !== was.wbc && { wbc: wbc ? Number(wbc) : null }),
    ...(note !== was.note && { note }),
    ...(assigned !== was.assigned && { assigned_to: assigned ? Number(assigned) : null }),
  };
}

/** A case's specimen, who is to review it, and its end. */
export function CaseForm({ given, close }: { given: CaseShown; close: () => void }) {
  const { project } = useProjectContext();
  const members = useMembers(project.id);
  const path = { project: project.id, case: given.id };
  const was = fieldsOf(given);
  const [key, setKey] = useState(was.key);
  const [accession, setAccession] = useState(was.accession);
  const [collected, setCollected] = useState(was.collected);
  const [received, setReceived] = useState(was.received);
  const [wbc, setWbc] = useState(was.wbc);
  const [note, setNote] = useState(was.note);
  const [assigned, setAssigned] = useState(was.assigned);
  const [sure, setSure] = useState(false);
  const change = useMutation({
    mutationFn: (changes: CaseChange) =>
      body(api.PATCH("/projects/{project}/cases/{case}", { params: { path }, body: changes })),
    onSuccess: close,
  });
  const remove = useMutation({
    mutationFn: () => api.DELETE("/projects/{project}/cases/{case}", { params: { path } }),
    onSuccess: close,
  });
  const scanners = useProfiles(given.id).data;
  const { choose } = useProfileActions();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const changes = changed(given, { key, accession, collected, received, wbc, note, assigned });
    if (Object.keys(changes).length) change.mutate(changes);
    else close();
  };
  const field = (id: string, label: string, value: string, set: (value: string) => void, more = {}) => (
    <Form.Group controlId={`case-${id}`}>
      <Form.Label>{label}</Form.Label>
      <Form.Control size="sm" value={value} onChange={(event) => set(event.target.value)} {...more} />
    </Form.Group>
  );
  const day = (id: string, label: string, value: string, set: (value: string) => void) => (
    <Form.Group controlId={`case-${id}`}>
      <Form.Label>{label}</Form.Label>
      <DayField exact="minute" value={value} change={set} />
    </Form.Group>
  );
  const reviewers = members.data?.filter(({ role }) => role !== "viewer") ?? [];
  return (
    <Modal show onHide={close} centered aria-labelledby="case-title">
      <Form onSubmit={submit}>
        <Modal.Header closeButton>
          <Modal.Title as="h2" id="case-title">
            Case {given.key}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body className="case-form">
          {field("key", "Case", key, setKey, { required: true, maxLength: 200 })}
          {field("accession", "Accession number", accession, setAccession, { maxLength: 200 })}
          {day("collected", "Collected", collected, setCollected)}
          {day("received", "Received", received, setReceived)}
          {field("wbc", "Leukocytes (10⁹/L)", wbc, setWbc, { type: "number", min: 0.01, max: 2000, step: "any" })}
          <Form.Group controlId="case-assigned">
            <Form.Label>Assigned to</Form.Label>
            <Form.Select size="sm" value={assigned} onChange={(event) => setAssigned(event.target.value)}>
              <option value="">Nobody</option>
              {reviewers.map(({ user }) => (
                <option key={user.id} value={user.id}>
                  {user.display || user.name}
                </option>
              ))}
            </Form.Select>
          </Form.Group>
          {scanners && scanners.items.length > 1 && (
            <Form.Group controlId="case-scanner">
              <Form.Label>Scanner</Form.Label>
              <Form.Select
                size="sm"
                value={scanners.of_case ?? ""}
                disabled={given.signed || choose.isPending}
                onChange={(event) => choose.mutate({ inHand: given.id, profile: Number(event.target.value) })}
              >
                {scanners.items.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </Form.Select>
            </Form.Group>
          )}
          {field("note", "Remark", note, setNote, { as: "textarea", rows: 2 })}
          <FaultLine fault={change.error ?? remove.error ?? choose.error} />
        </Modal.Body>
        <Modal.Footer>
          {project.role === "admin" &&
            !given.signed &&
            (sure ? (
              <Button variant="danger" className="me-auto" disabled={remove.isPending} onClick={() => remove.mutate()}>
                Delete {given.key} and its {given.images.toLocaleString("en")} cells
              </Button>
            ) : (
              <Button variant="outline-danger" className="me-auto" onClick={() => setSure(true)}>
                Delete…
              </Button>
            ))}
          <Button type="submit" disabled={change.isPending}>
            Save
          </Button>
        </Modal.Footer>
      </Form>
    </Modal>
  );
}
