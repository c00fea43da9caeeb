import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { Button, Form, type FormControlProps } from "react-bootstrap";
import { useNavigate } from "react-router";
import { names, readSession } from "../api/queries";
import { FaultLine } from "../ui/states";

/** Come in, and go on to a path of this page as whoever one is then. */
export function useEntry(enter: () => Promise<unknown>, to: string) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: enter,
    onSuccess: async () => {
      // The session before may have ended without a sign-out, and was perhaps somebody else's: nothing of it stays.
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== names.session[0] });
      await queries.fetchQuery({ queryKey: names.session, queryFn: readSession, staleTime: 0 });
      navigate(to, { replace: true });
    },
  });
}

interface EntryProps {
  title: ReactNode;
  /** What the button says. */
  act: string;
  entry: UseMutationResult<unknown, Error, void>;
  above?: ReactNode;
  below?: ReactNode;
  children: ReactNode;
}

/** The sheet with one form that one meets before one is in. */
export function Entry({ title, act, entry, above, below, children }: EntryProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entry.mutate();
  };
  return (
    <div className="sheet sheet-narrow">
      <h1>{title}</h1>
      {above}
      <Form onSubmit={submit}>
        {children}
        <FaultLine fault={entry.error} />
        <Button type="submit" disabled={entry.isPending}>
          {act}
        </Button>
      </Form>
      {below}
    </div>
  );
}

interface FieldProps extends Omit<FormControlProps, "onChange" | "value"> {
  id: string;
  label: string;
  help?: string;
  value: string;
  change: (value: string) => void;
  required?: boolean;
  autoFocus?: boolean;
}

/** One line to fill in, with its name above it. */
export function Field({ id, label, help, change, ...control }: FieldProps) {
  return (
    <Form.Group className="mb-3" controlId={id}>
      <Form.Label>{label}</Form.Label>
      <Form.Control {...control} onChange={(event) => change(event.target.value)} />
      {help && <Form.Text>{help}</Form.Text>}
    </Form.Group>
  );
}
