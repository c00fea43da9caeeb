import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";

/** Opens a signed case for changes; why is asked before. */
export function Amend({ ofCase, name, className = "" }: { ofCase: number; name: string; className?: string }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const amend = useMutation({
    mutationFn: () =>
      body(
        api.POST("/projects/{project}/cases/{case}/amendment", {
          params: { path: { project: project.id, case: ofCase } },
          body: { reason: reason.trim() },
        }),
      ),
    onSuccess: async () => {
      setAsking(false);
      setReason("");
      await queries.invalidateQueries({ queryKey: ["projects", project.id] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    amend.mutate();
  };
  return (
    <>
      <Button size="sm" variant="outline-primary" className={className} onClick={() => setAsking(true)}>
        Amend…
      </Button>
      <Modal show={asking} onHide={() => setAsking(false)} centered aria-labelledby="amend-title">
        <Form onSubmit={submit}>
          <Modal.Header closeButton>
            <Modal.Title as="h2" id="amend-title">
              Amend {name}
            </Modal.Title>
          </Modal.Header>
          <Modal.Body>
            <Form.Group controlId="amend-reason">
              <Form.Label>Reason</Form.Label>
              <Form.Control
                as="textarea"
                rows={3}
                required
                autoFocus
                maxLength={2000}
                value={reason}
                onChange={(event) => setReason(event.target.value)}
              />
            </Form.Group>
            <p className="quiet small mt-2 mb-0">
              The cells can be labelled then. What is signed stays as it is; signing again makes a new version with this
              reason.
            </p>
            <FaultLine fault={amend.error} />
          </Modal.Body>
          <Modal.Footer>
            <Button variant="outline-secondary" onClick={() => setAsking(false)}>
              Leave it signed
            </Button>
            <Button type="submit" disabled={!reason.trim() || amend.isPending}>
              Begin the amendment
            </Button>
          </Modal.Footer>
        </Form>
      </Modal>
    </>
  );
}

/** Ends an amendment in which nothing was changed. */
export function Withdraw({ ofCase }: { ofCase: number }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const withdraw = useMutation({
    mutationFn: () =>
      api.DELETE("/projects/{project}/cases/{case}/amendment", {
        params: { path: { project: project.id, case: ofCase } },
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["projects", project.id] }),
  });
  return (
    <>
      <button type="button" className="bin-act" disabled={withdraw.isPending} onClick={() => withdraw.mutate()}>
        withdraw
      </button>
      <FaultLine fault={withdraw.error} />
    </>
  );
}
