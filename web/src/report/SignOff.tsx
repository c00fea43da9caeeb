import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { send } from "../api/client";
import type { Project, User } from "../api/types";
import { FaultLine } from "../ui/states";
import { when } from "../ui/time";
import { blocking, bundleName, type Differential, personName, type Signature } from "./differential";

interface Props {
  project: Project;
  chosen: string | null;
  differential: Differential;
  signatures: Signature[];
  user: User;
  onSigned: () => void;
}

/** Who signed what, and signing; what stands in the way is said before one tries. */
export function SignOff({ project, chosen, differential, signatures, user, onSigned }: Props) {
  const [note, setNote] = useState("");
  const first = signatures.find((each) => each.role === "first");
  const second = signatures.find((each) => each.role === "second");
  const role = first ? "second" : "first";
  const blocks = blocking(differential);
  const sign = useMutation({
    mutationFn: () =>
      send("POST", `/projects/${project.id}/signatures`, {
        role,
        ...(chosen ? { case: chosen } : {}),
        ...(note.trim() ? { note: note.trim() } : {}),
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
  const wanted = !first || (project.second_signer && !second);
  const own = first && personName(first.user) === (user.display || user.name);
  const may = project.role !== "viewer" && !project.archived;

  return (
    <section className="sign">
      <h2>Signatures</h2>
      {signatures.map((each) => (
        <p key={each.id} className="sign-given">
          <strong>{personName(each.user)}</strong>
          {each.role === "second" && <span className="quiet"> second signer</span>}
          <br />
          {when(each.at)}
          <br />
          <span className="quiet small">
            {bundleName(each.bundle)}, labels up to {each.revision}
          </span>
          {each.note && (
            <>
              <br />“{each.note}”
            </>
          )}
          {each.revision < differential.revision && (
            <>
              <br />
              <span className="sign-old">Labels have changed since this signature.</span>
            </>
          )}
        </p>
      ))}
      {!wanted || !may ? (
        signatures.length === 0 && <p className="quiet">Not signed.</p>
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
