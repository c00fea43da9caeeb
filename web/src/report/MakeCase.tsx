import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { useNavigate } from "react-router";
import { api, body } from "../api/client";
import { useProjectState } from "../project/context";
import { FaultLine } from "../ui/states";

/** What the service moves in one request. */
const AT_ONCE = 10_000;

/** Cells are signed case by case: puts those that are of no case into one, and opens it. */
export function MakeCase({ project }: { project: number }) {
  const columns = useProjectState((state) => state.columns);
  const navigate = useNavigate();
  const [key, setKey] = useState("");
  const loose = Array.from(columns.id).filter((_, row) => columns.case[row] === -1);
  const make = useMutation({
    mutationFn: async () => {
      const params = { path: { project } };
      const made = await body(api.POST("/projects/{project}/cases", { params, body: { key, note: "" } }));
      for (let from = 0; from < loose.length; from += AT_ONCE) {
        const images = loose.slice(from, from + AT_ONCE);
        await body(api.POST("/projects/{project}/images/move", { params, body: { images, case: made.id } }));
      }
      return made.id;
    },
    onSuccess: (made) => navigate(`/projects/${project}/report?case=${made}`),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  if (!loose.length) return null;
  return (
    <Form onSubmit={submit}>
      <p className="quiet">These cells are of no case. A report is signed case by case.</p>
      <Form.Group controlId="make-case">
        <Form.Label>Case of these {loose.length.toLocaleString("en")} cells</Form.Label>
        <Form.Control
          required
          maxLength={200}
          placeholder="24-1187"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      </Form.Group>
      <Button type="submit" variant="outline-primary" disabled={make.isPending}>
        Make it a case
      </Button>
      <FaultLine fault={make.error} />
    </Form>
  );
}
