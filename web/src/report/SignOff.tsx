import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { send } from "../api/client";
import type { Project, User } from "../api/types";
import { FaultLine } from "../ui/states";
import { when } from "../ui/time";
import { blocking, type Differential, type Signature, standing } from "./differential";

interface Props {
  project: Project;
  chosen: number | null;
  differential: Differential;
  signatures: Signature[];
  user: User;
  onSigned: () => void;
}

/** Who signed what, and signing; what stands in the way is said before one tries. */
export function SignOff({ project, chosen, differential, signatures, user, onSigned }: Props) {
  const [note, setNote] = useState("");
  const first = standing(signatures, chosen, "first");
  const second = standing(signatures, chosen, "second");
  // A second signature stands under the very counts of the first; after a new label both sign again.
  const role = first?.current && project.second_signer && !second?.current ? "second" : "first";
  const blocks = blocking(differential);
  const sign = useMutation({
    mutationFn: () =>
      send("POST", `/projects/${project.id}/signatures`, {
        role,
        case: chosen,
        note: note.trim(),
      }),
    onSuccess: () => {
      setNote("");
      onSigned();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    sign.mutate();
  };
  const given = signatures.filter((each) => each.case === chosen);
  const wanted = !first?.current || role === "second";
  const own = first?.user === user.id;
  const may = project.role !== "viewer" && !project.archived;

  return (
    <section className="sign">
      <h2>Signatures</h2>
      {given.map((each) => (
        <p key={each.id} className="sign-given">
          <strong>{each.name}</strong>
          {each.role === "second" && <span className="quiet"> second signer</span>}
          <br />
          {when(each.at)}
          <br />
          <span className="quiet small">
            {each.differential.bundle}, labels up to {each.revision}
          </span>
          {each.note && (
            <>
              <br />“{each.note}”
            </>
          )}
          {!each.current && (
            <>
              <br />
              <span className="sign-old">Labels have changed since this signature.</span>
            </>
          )}
        </p>
      ))}
      {!wanted || !may ? (
        given.length === 0 && <p className="quiet">Not signed.</p>
      ) : role === "second" && own ? (
        <p className="quiet">Another person must sign second.</p>
      ) : (
        <Form onSubmit={submit}>
          {blocks.length > 0 && (
            <p className="sign-blocks">
              {blocks.join(", ")}. Decide on them first, or say below why you sign all the same.
            </p>
          )}
          <Form.Group controlId="sign-note">
            <Form.Label>{blocks.length ? "Why you sign all the same" : "Note (optional)"}</Form.Label>
            <Form.Control
              as="textarea"
              rows={2}
              maxLength={500}
              value={note}
              onChange={(event) => setNote(event.target.value)}
            />
          </Form.Group>
          <Button type="submit" disabled={sign.isPending || (blocks.length > 0 && !note.trim())}>
            Sign{role === "second" ? " second" : ""} as {user.display || user.name}
          </Button>
          <FaultLine fault={sign.error} />
        </Form>
      )}
    </section>
  );
}
