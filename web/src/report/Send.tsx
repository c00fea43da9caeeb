import { Dropdown } from "react-bootstrap";
import { address } from "../api/client";

export type Form = "pdf" | "csv" | "hl7" | "fhir";

const FORMS: [Form, string, string][] = [
  ["pdf", "PDF", "Report (PDF, A4)"],
  ["hl7", "HL7", "HL7 v2.5.1 message (ORU^R01)"],
  ["fhir", "FHIR", "FHIR R4 Bundle (DiagnosticReport)"],
  ["csv", "CSV", "Signed differential (CSV)"],
];

/** Where the report of a signed record lies in a form. */
export const reportOf = (project: number, signature: number, format: Form) =>
  address(`/projects/${project}/signatures/${signature}/report`, { format });

/** The report of what is shown: of a signed record in every form, of a case that nobody signed as a preliminary PDF. */
export function Send({
  project,
  signature,
  ofCase,
}: {
  project: number;
  signature: number | null;
  ofCase: number | null;
}) {
  if (signature !== null) {
    return (
      <Dropdown align="end">
        <Dropdown.Toggle size="sm" id="send">
          Report
        </Dropdown.Toggle>
        <Dropdown.Menu>
          {FORMS.map(([form, , title]) => (
            <Dropdown.Item key={form} href={reportOf(project, signature, form)} download>
              {title}
            </Dropdown.Item>
          ))}
        </Dropdown.Menu>
      </Dropdown>
    );
  }
  if (!ofCase) return null;
  return (
    <a
      className="btn btn-sm btn-outline-primary"
      href={address(`/projects/${project}/cases/${ofCase}/preliminary-report`)}
      download
    >
      Preliminary PDF
    </a>
  );
}

/** The same beside a version of the record. */
export function Forms({ project, signature }: { project: number; signature: number }) {
  return FORMS.map(([form, short, title]) => (
    <a key={form} href={reportOf(project, signature, form)} title={title} download>
      {short}
    </a>
  ));
}
