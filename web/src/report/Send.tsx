import { useMutation } from "@tanstack/react-query";
import { Button, Dropdown } from "react-bootstrap";
import { api } from "../api/client";
import { saveAnswer } from "../api/download";
import { FaultLine } from "../ui/states";

export type Form = "pdf" | "csv" | "hl7" | "fhir";

const FORMS: [Form, string, string][] = [
  ["pdf", "PDF", "Report (PDF, A4)"],
  ["hl7", "HL7", "HL7 v2.5.1 message (ORU^R01)"],
  ["fhir", "FHIR", "FHIR R4 Bundle (DiagnosticReport)"],
  ["csv", "CSV", "Signed differential (CSV)"],
];

/** Takes the report of a signed record away in a form. That is noted, so it is asked for and not a link. */
const useReports = (project: number, signature: number) =>
  useMutation({
    mutationFn: (format: Form) => {
      const params = { path: { project, signature }, query: { format } };
      return api.POST("/projects/{project}/signatures/{signature}/report", { params, parseAs: "blob" });
    },
    onSuccess: saveAnswer,
  });

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
  if (signature !== null) return <Signed project={project} signature={signature} />;
  return ofCase ? <Preliminary project={project} ofCase={ofCase} /> : null;
}

function Signed({ project, signature }: { project: number; signature: number }) {
  const take = useReports(project, signature);
  return (
    <>
      <Dropdown align="end">
        <Dropdown.Toggle size="sm" id="send">
          Report
        </Dropdown.Toggle>
        <Dropdown.Menu>
          {FORMS.map(([form, , title]) => (
            <Dropdown.Item key={form} as="button" onClick={() => take.mutate(form)}>
              {title}
            </Dropdown.Item>
          ))}
        </Dropdown.Menu>
      </Dropdown>
      <FaultLine fault={take.error} />
    </>
  );
}

function Preliminary({ project, ofCase }: { project: number; ofCase: number }) {
  const take = useMutation({
    mutationFn: () => {
      const params = { path: { project, case: ofCase } };
      return api.POST("/projects/{project}/cases/{case}/preliminary-report", { params, parseAs: "blob" });
    },
    onSuccess: saveAnswer,
  });
  return (
    <>
      <Button size="sm" variant="outline-primary" disabled={take.isPending} onClick={() => take.mutate()}>
        Preliminary PDF
      </Button>
      <FaultLine fault={take.error} />
    </>
  );
}

/** The same beside a version of the record. */
export function Forms({ project, signature }: { project: number; signature: number }) {
  const take = useReports(project, signature);
  return (
    <>
      {FORMS.map(([form, short, title]) => (
        <button key={form} type="button" className="bin-act" title={title} onClick={() => take.mutate(form)}>
          {short}
        </button>
      ))}
      <FaultLine fault={take.error} />
    </>
  );
}
