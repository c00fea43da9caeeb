import { useMutation } from "@tanstack/react-query";
import { type ChangeEvent, useId, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { useLabelSets } from "../api/queries";
import type { LabelImportShown } from "../api/schema";
import { nameOf } from "../cases/inHand";
import { inTree, inUse } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { requestName } from "../project/sender";
import { FaultLine } from "../ui/states";
import { base64, LEAVE, type Means, said, unsettled } from "./importing";
import "./labelsets.scss";

interface Table {
  file: string;
  content: string;
}

/** Labels from a table into the case in hand: what it would do first, then done as a whole. */
export default function ImportLabels({ close }: { close: () => void }) {
  const { project, store } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const inHand = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  const sets = useLabelSets(project.id).data;
  const set = sets?.find((one) => one.name === labelSet);
  const [table, setTable] = useState<Table | null>(null);
  const [means, setMeans] = useState<Means>({});
  const [overwrite, setOverwrite] = useState(false);
  const [labels, setLabels] = useState<LabelImportShown["unknown"]>([]);
  const id = useId();
  const send = useMutation({
    mutationFn: async ({ table, check, means, overwrite }: Ask) =>
      body(
        api.POST("/projects/{project}/labels/import", {
          params: { path: { project: project.id } },
          body: {
            ...table,
            request: requestName(),
            label_set: labelSet,
            case: inHand || null,
            means: said(means),
            overwrite,
            check,
          },
        }),
      ),
    onSuccess: (found) => {
      // What was unknown at first stays on the screen, with what was said of it.
      setLabels((known) => [
        ...known,
        ...found.unknown.filter(({ label }) => !known.some((one) => one.label === label)),
      ]);
      if (!found.written) return;
      const count = found.undo.length;
      store.notify({ kind: "done", text: `${count.toLocaleString("en")} labels imported`, images: [], undo: false });
      close();
    },
  });
  const check = (next: Partial<Ask>) => {
    const ask = { table, means, overwrite, ...next, check: true };
    if (ask.table) send.mutate({ ...ask, table: ask.table });
  };
  const choose = async (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.target.files?.[0];
    if (!file) return;
    const table = { file: file.name, content: base64(await file.arrayBuffer()) };
    setTable(table);
    setLabels([]);
    setMeans({});
    check({ table, means: {} });
  };
  const found = send.data;
  const count = Object.values(found?.labels ?? {}).reduce((sum, n) => sum + n, 0);
  const open = unsettled(labels, means);
  return (
    <Modal show onHide={close} centered size="lg" aria-labelledby={`${id}-title`}>
      <Modal.Header closeButton>
        <Modal.Title as="h2" id={`${id}-title`}>
          Import labels into {nameOf(inHand, cases).toLowerCase() === "all cases" ? "all cases" : nameOf(inHand, cases)}
        </Modal.Title>
      </Modal.Header>
      <Modal.Body className="import-labels">
        <p className="quiet">
          A table (CSV or Excel) with a column <code>path</code> or <code>sha256</code> that names the cells, and a
          column <code>label</code>. It answers <b>{set?.title ?? labelSet}</b>.
        </p>
        <Form.Control type="file" accept=".csv,.tsv,.txt,.xlsx" aria-label="Table of labels" onChange={choose} />
        <FaultLine fault={send.error} />
        {labels.length > 0 && (
          <table className="table import-unknown">
            <caption>These labels are no types here. Say what each means; nothing is written before that.</caption>
            <tbody>
              {labels.map(({ label, rows, proposals }) => (
                <tr key={label}>
                  <th scope="row">
                    {label} <span className="quiet">{rows}</span>
                  </th>
                  <td>
                    <Form.Select
                      size="sm"
                      aria-label={`What ${label} means`}
                      value={means[label] ?? ""}
                      onChange={(event) => {
                        const next = { ...means, [label]: event.target.value };
                        setMeans(next);
                        check({ means: next });
                      }}
                    >
                      <option value="">Choose…</option>
                      {proposals.length > 0 && (
                        <optgroup label="Perhaps">
                          {proposals
                            .filter(({ add }) => !add)
                            .map((one) => (
                              <option key={one.name} value={one.name}>
                                {one.title}
                              </option>
                            ))}
                          {proposals
                            .filter(({ add }) => add)
                            .map((one) => (
                              <option key={one.name} disabled>
                                {one.title}: add the type first
                              </option>
                            ))}
                        </optgroup>
                      )}
                      <optgroup label="All types">
                        {inTree(inUse(set?.classes ?? [])).map((mark) => (
                          <option key={mark.name} value={mark.name}>
                            {mark.title}
                          </option>
                        ))}
                        <option value="?">Unsure</option>
                      </optgroup>
                      <option value={LEAVE}>Leave these rows out</option>
                    </Form.Select>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {found && (
          <dl className="import-found" aria-live="polite">
            <Line title="Cells to be labelled" count={count} />
            <Line title="Labelled so already" count={found.same} />
            <Line title="Rows without a label" count={found.blank} />
            <Line title="Rows of no cell here" count={found.unmatched.count} rows={found.unmatched.first} />
            <Line title="Cells whose rows differ, left out" count={found.clashing.count} rows={found.clashing.first} />
            <Line
              title="Cells of signed cases, left as they are"
              count={found.locked.count}
              rows={found.locked.first}
            />
            <Line title="Labelled otherwise here, kept" count={found.kept.count} rows={found.kept.first} />
          </dl>
        )}
        {found && (found.kept.count > 0 || overwrite) && (
          <Form.Check
            id={`${id}-overwrite`}
            label="Replace labels that stand and say otherwise"
            checked={overwrite}
            onChange={(event) => {
              setOverwrite(event.target.checked);
              check({ overwrite: event.target.checked });
            }}
          />
        )}
      </Modal.Body>
      <Modal.Footer>
        {open.length > 0 && <p className="small quiet me-auto mb-0">Still to be said: {open.join(", ")}.</p>}
        <Button
          disabled={!table || !count || open.length > 0 || send.isPending}
          onClick={() => table && send.mutate({ table, means, overwrite, check: false })}
        >
          Import {count.toLocaleString("en")} labels
        </Button>
      </Modal.Footer>
    </Modal>
  );
}

interface Ask {
  table: Table;
  means: Means;
  overwrite: boolean;
  check: boolean;
}

function Line({
  title,
  count,
  rows = [],
}: {
  title: string;
  count: number;
  rows?: { line: number; cell: string; label: string }[];
}) {
  if (!count) return null;
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        {count.toLocaleString("en")}
        {rows.length > 0 && (
          <span className="quiet small">
            {" "}
            {rows
              .slice(0, 3)
              .map(({ line, cell, label }) => `line ${line}: ${cell} (${label})`)
              .join("; ")}
            {count > 3 && " …"}
          </span>
        )}
      </dd>
    </div>
  );
}
