import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Button, Dropdown, Form } from "react-bootstrap";
import { address, fetchFrom, get } from "../api/client";
import { useCases, useMembers, useProject, useSession } from "../api/queries";
import type { List } from "../api/types";
import { useTheme } from "../app/theme";
import { Chart } from "../charts/Chart";
import { decode } from "../columns/columns";
import { useDesk, useRoom } from "../project/context";
import { Empty, Failure, Loading } from "../ui/states";
import { Crops } from "./Crops";
import { type Agreement, byName, type Differential, percent, type Signature, strength } from "./differential";
import { sharesFigure } from "./figure";
import { Reclassified } from "./Reclassified";
import { SignOff } from "./SignOff";
import { Table } from "./Table";
import "./report.scss";

/** A differential is of cell types, whichever label set the desk shows. */
const LABEL_SET = "cell_type";
const FORMATS: [string, string][] = [
  ["csv", "Table (CSV)"],
  ["parquet", "Table (Parquet)"],
  ["json", "Everything (JSON)"],
  ["folder", "Crops in a folder for each type (zip)"],
  ["coco", "Annotations (COCO-like JSON)"],
];

/** The differential before and after review, who signed it, and the sheet that is printed. */
export default function Report() {
  const { project } = useRoom();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<number | null>(null);
  const cases = useCases(project.id);
  // A project's settings may change in another browser; what was opened with may be old.
  const settings = useProject(project.id).data ?? project;
  const session = useSession();
  const heard = useDesk((desk) => ["labels", "taught", "signature", "readings"].map((k) => desk.heard[k] ?? 0).join());
  const root = ["projects", project.id, "report"];

  const differential = useQuery({
    queryKey: [...root, "differential", chosen],
    queryFn: ({ signal }) => get<Differential>(`/projects/${project.id}/differential`, { case: chosen }, signal),
  });
  const agreement = useQuery({
    queryKey: [...root, "agreement", chosen],
    queryFn: ({ signal }) => get<Agreement>(`/projects/${project.id}/agreement`, { case: chosen }, signal),
  });
  const signatures = useQuery({
    queryKey: [...root, "signatures"],
    queryFn: ({ signal }) => get<List<Signature>>(`/projects/${project.id}/signatures`, {}, signal),
  });
  const columns = useQuery({
    queryKey: [...root, "columns"],
    queryFn: async ({ signal }) => {
      const response = await fetchFrom(address(`/projects/${project.id}/columns`, { label_set: LABEL_SET }), {
        signal,
      });
      return decode(await response.arrayBuffer());
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever was heard makes the report old
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: root.slice(0, 3) });
  }, [heard, queries]);

  const marks = useMemo(() => byName(columns.data?.classes ?? []), [columns.data?.classes]);
  const dark = useTheme() === "dark";
  const rows = differential.data?.rows;
  const figure = useMemo(() => rows && sharesFigure(rows, marks, dark), [rows, marks, dark]);

  if (differential.isPending) return <Loading what="Counting the cells" />;
  if (differential.isError) return <Failure fault={differential.error} retry={() => differential.refetch()} />;
  const data = differential.data;
  const counted = data.rows.some((row) => row.before.count || row.after.count);
  const key = cases.data?.find(({ id }) => id === chosen)?.key;
  const heading = key ? `${project.name}, case ${key}` : project.name;
  const signed = signatures.data?.items ?? [];

  return (
    <article className="sheet sheet-wide report">
      <header className="report-head">
        <div>
          <h1>Differential: {heading}</h1>
          <p className="quiet">
            {data.total.toLocaleString()} leukocytes, read by {data.bundle}
            {data.revision > 0 && `, taught by labels up to ${data.revision}`}
          </p>
        </div>
        <div className="report-do">
          {(cases.data?.length ?? 0) > 0 && (
            <Form.Select
              size="sm"
              aria-label="Case"
              value={chosen ?? ""}
              onChange={(event) => setChosen(Number(event.target.value) || null)}
            >
              <option value="">All cells</option>
              {cases.data?.map(({ id, key }) => (
                <option key={id} value={id}>
                  Case {key}
                </option>
              ))}
            </Form.Select>
          )}
          <Dropdown align="end">
            <Dropdown.Toggle size="sm" variant="outline-primary" id="export">
              Export
            </Dropdown.Toggle>
            <Dropdown.Menu>
              {FORMATS.map(([format, title]) => (
                <Dropdown.Item
                  key={format}
                  href={address(`/projects/${project.id}/export`, { format, case: chosen })}
                  download
                >
                  {title}
                </Dropdown.Item>
              ))}
            </Dropdown.Menu>
          </Dropdown>
          <Button size="sm" onClick={() => window.print()}>
            Print
          </Button>
        </div>
      </header>
      {counted ? (
        <div className="report-body">
          <section className="report-main">
            <Table differential={data} marks={marks} />
            {figure && (
              <figure className="report-figure">
                <Chart
                  label="Share of each type before and after review, with 95% intervals; the table has the same figures"
                  figure={figure}
                  height={32 * data.rows.length + 56}
                />
                <figcaption className="quiet small">
                  Hollow: before review. Filled: after review, with its 95% interval (Wilson).
                </figcaption>
              </figure>
            )}
          </section>
          <aside className="report-side">
            <Reclassified moved={data.reclassified} marks={marks} />
            <Agrees agreement={agreement.data} failed={agreement.error} />
            {session.data?.user && (
              <SignOff
                project={settings}
                chosen={chosen}
                differential={data}
                signatures={signed}
                user={session.data.user}
                onSigned={() => void queries.invalidateQueries({ queryKey: root.slice(0, 3) })}
              />
            )}
          </aside>
          {columns.data && <Crops columns={columns.data} ofCase={chosen} project={project.id} />}
        </div>
      ) : (
        <Empty title="Nothing is counted yet">The differential begins with the first cell that has been read.</Empty>
      )}
      <footer className="report-notice">Research use only. Not for primary diagnosis.</footer>
    </article>
  );
}

function Agrees({ agreement, failed }: { agreement: Agreement | undefined; failed: unknown }) {
  const { project } = useRoom();
  const members = useMembers(project.id);
  const who = (id: number) => {
    const user = members.data?.find((member) => member.user.id === id)?.user;
    return user?.display || user?.name || `person ${id}`;
  };
  if (failed) return null;
  const told = agreement?.human_model;
  return (
    <section className="report-agreement">
      <h2>Agreement</h2>
      {told && told.n > 0 ? (
        <p>
          People and model agree on {told.agreement !== null && percent(told.agreement)} of {told.n.toLocaleString()}{" "}
          labelled cells.
          {told.kappa !== null && (
            <>
              <br />
              Kappa {told.kappa.toFixed(2)}{" "}
              <span className="quiet">
                {told.low !== null && told.high !== null && `${told.low.toFixed(2)} to ${told.high.toFixed(2)}, `}
                {strength(told.kappa)}
              </span>
            </>
          )}
        </p>
      ) : (
        <p className="quiet">No cell has been labelled by a person yet.</p>
      )}
      {agreement?.humans.map(({ a, b, kappa, n }) => (
        <p key={`${a} ${b}`}>
          {who(a)} and {who(b)}: {kappa === null ? "too few cells" : `kappa ${kappa.toFixed(2)}`}{" "}
          <span className="quiet">on {n} cells</span>
        </p>
      ))}
    </section>
  );
}
