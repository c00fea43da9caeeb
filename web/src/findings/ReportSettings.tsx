import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Button, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { names, useLabelSets } from "../api/queries";
import type { ReferenceRange, ReportSettings as Settings } from "../api/schema";
import { useProjectContext } from "../project/context";
import { Overtaken, useEdited } from "../ui/edited";
import { Failure, FaultLine, Loading } from "../ui/states";
import { useReportSettings } from "./queries";
import { rangeOf, type Side, withRange } from "./ranges";
import "./findings.scss";

/** What reports say besides counts: laboratory, time zone, reference ranges, text blocks. */
export function ReportSettings() {
  const settings = useReportSettings();
  if (settings.isPending) return <Loading what="Looking up the report's settings" />;
  if (settings.isError) return <Failure fault={settings.error} retry={() => settings.refetch()} />;
  return <Edited given={settings.data} />;
}

const ZONES = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];

function Edited({ given }: { given: Settings }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const edited = useEdited(given);
  const { now, set: setNow, changed } = edited;
  const types = useLabelSets(project.id).data?.find(({ name }) => name === "cell_type")?.classes ?? [];
  const save = useMutation({
    mutationFn: (sent: Settings) =>
      body(api.PUT("/projects/{project}/report-settings", { params: { path: { project: project.id } }, body: sent })),
    onSuccess: (saved, sent) => {
      edited.saved(sent, saved);
      queries.setQueryData(names.reportSettings(project.id), saved);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(now);
  };
  const block = (at: number, change: Partial<Settings["blocks"][number]>) =>
    setNow({ ...now, blocks: now.blocks.map((one, place) => (place === at ? { ...one, ...change } : one)) });
  return (
    <Form className="settings report-settings mt-5" onSubmit={submit}>
      <h2>Reports</h2>
      <p className="quiet">What is signed keeps what stood here when it was signed.</p>
      <Form.Group controlId="report-laboratory">
        <Form.Label>Laboratory</Form.Label>
        <Form.Control
          maxLength={200}
          value={now.laboratory}
          onChange={(event) => setNow({ ...now, laboratory: event.target.value })}
        />
      </Form.Group>
      <Form.Group controlId="report-address">
        <Form.Label>Lines under its name</Form.Label>
        <Form.Control
          as="textarea"
          rows={2}
          maxLength={500}
          value={now.address}
          onChange={(event) => setNow({ ...now, address: event.target.value })}
        />
      </Form.Group>
      <Form.Group controlId="report-zone">
        <Form.Label>Time zone of the report</Form.Label>
        <Form.Control
          required
          list="report-zones"
          value={now.zone}
          onChange={(event) => setNow({ ...now, zone: event.target.value })}
        />
        <datalist id="report-zones">
          {ZONES.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
      </Form.Group>
      <Ranges types={types} ranges={now.ranges} set={(ranges) => setNow({ ...now, ranges })} />
      <h3>Text blocks</h3>
      {now.blocks.map((one, at) => (
        <div className="block-line" key={at}>
          <Form.Control
            size="sm"
            required
            maxLength={20}
            pattern="\S+"
            aria-label={`Text block ${at + 1}: key`}
            placeholder="key"
            value={one.key}
            onChange={(event) => block(at, { key: event.target.value })}
          />
          <Form.Control
            as="textarea"
            size="sm"
            rows={2}
            required
            maxLength={2000}
            aria-label={`Text block ${at + 1}: text`}
            value={one.text}
            onChange={(event) => block(at, { text: event.target.value })}
          />
          <button
            type="button"
            className="bin-act"
            aria-label={`Remove text block ${at + 1}`}
            onClick={() => setNow({ ...now, blocks: now.blocks.filter((_, place) => place !== at) })}
          >
            remove
          </button>
        </div>
      ))}
      {!now.blocks.length && (
        <p className="quiet">None. A block has a short key and a text; one press puts it into a remark.</p>
      )}
      <Overtaken edited={edited} />
      <FaultLine fault={save.error} />
      <div className="d-flex gap-2">
        <Button
          variant="outline-secondary"
          disabled={now.blocks.length >= 200}
          onClick={() => setNow({ ...now, blocks: [...now.blocks, { key: "", text: "" }] })}
        >
          Add a text block
        </Button>
        <Button type="submit" disabled={!changed || save.isPending}>
          Save the report's settings
        </Button>
        {save.isSuccess && !changed && (
          <span className="quiet align-self-center" role="status">
            Saved.
          </span>
        )}
      </div>
    </Form>
  );
}

const SIDES: [Side, string][] = [
  ["low", "from, % of leukocytes"],
  ["high", "to, % of leukocytes"],
  ["absolute_low", "from, 10⁹/L"],
  ["absolute_high", "to, 10⁹/L"],
];

interface RangesProps {
  types: { name: string; title: string }[];
  ranges: ReferenceRange[];
  set: (ranges: ReferenceRange[]) => void;
}

function Ranges({ types, ranges, set }: RangesProps) {
  return (
    <>
      <h3>Reference ranges</h3>
      <p className="quiet small">
        Empty leaves a side open. Erythroblasts are for every 100 leukocytes. Absolute counts need the specimen's
        leukocyte count.
      </p>
      <div className="table-responsive">
        <table className="table table-sm ranges">
          <caption className="visually-hidden">Reference range of each type</caption>
          <thead>
            <tr>
              <th scope="col">Type</th>
              {SIDES.map(([side, title]) => (
                <th scope="col" key={side}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {types
              .filter(({ name }) => name !== "platelet")
              .map(({ name, title }) => (
                <tr key={name}>
                  <th scope="row">{title}</th>
                  {SIDES.map(([side, words]) => (
                    <td key={side}>
                      {name === "erythroblast" && side.startsWith("absolute") ? null : (
                        <Form.Control
                          size="sm"
                          type="number"
                          min={0}
                          max={side.startsWith("absolute") ? 2000 : 1000}
                          step="any"
                          aria-label={`${title}: ${words}`}
                          value={rangeOf(ranges, name, side)}
                          onChange={(event) => set(withRange(ranges, name, side, event.target.value))}
                        />
                      )}
                    </td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
