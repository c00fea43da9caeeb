import type { ReactNode } from "react";
import { Button } from "react-bootstrap";
import { type FieldNames, ServiceFault } from "../api/client";

/** Something is on its way. Says nothing for a moment, so that what is quick does not flicker. */
export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status">
      <span className="state-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span className="small">{what}</span>
    </div>
  );
}

/** The heading of a screen that shows none: who reads by ear finds by it where the screen begins, and what it is. */
export function Unseen({ title }: { title: string }) {
  return <h1 className="visually-hidden">{title}</h1>;
}

/** Nothing is here yet, what will be, and what to do about it. */
export function Empty({ title, sketch, children }: { title: string; sketch?: ReactNode; children?: ReactNode }) {
  return (
    <div className="state">
      {sketch}
      <strong>{title}</strong>
      {children}
    </div>
  );
}

function sentence(fault: unknown, fields?: FieldNames): string {
  if (fault instanceof ServiceFault) return fault.said(fields);
  return fault instanceof Error ? fault.message : "Something went wrong.";
}

/** What went wrong, what was expected and how to mend it. */
export function Failure({ fault, retry }: { fault: unknown; retry?: () => void }) {
  return (
    <div className="state" role="alert">
      <strong>{sentence(fault)}</strong>
      {retry && (
        <Button variant="outline-primary" size="sm" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

interface FaultLineProps {
  fault: unknown;
  /** What the form calls the fields of the request. */
  fields?: FieldNames;
  /** What the fault means for what is on the screen: a sentence before it. */
  means?: string;
  retry?: () => void;
}

/** A fault within a form or a panel, in one line. */
export function FaultLine({ fault, fields, means, retry }: FaultLineProps) {
  if (!fault) return null;
  return (
    <p className="fault-line" role="alert">
      {means && `${means} `}
      {sentence(fault, fields)}
      {retry && (
        <>
          {" "}
          <button type="button" className="bin-act" onClick={retry}>
            try again
          </button>
        </>
      )}
    </p>
  );
}
