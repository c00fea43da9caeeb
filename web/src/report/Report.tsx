import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Button, Dropdown, Form } from "react-bootstrap";
import { address, api, body } from "../api/client";
import { follow } from "../api/download";
import { names, useProject, useSession } from "../api/queries";
import type { DifferentialShown, NewExport } from "../api/schema";
import { useTheme } from "../app/theme";
import { nameOf } from "../cases/inHand";
import { Chart } from "../charts/Chart";
import { NONE } from "../columns/columns";
import { fetchColumns } from "../columns/fetch";
import { FindingsForm } from "../findings/FindingsForm";
import { Signed } from "../findings/Signed";
import { useFamiliarity } from "../foreign/familiarity";
import { useProjectContext, useProjectState } from "../project/context";
import { useFollowed } from "../project/follows";
import { useSigning } from "../signing/queries";
import { Empty, Failure, FaultLine, Loading } from "../ui/states";
import { Agrees } from "./Agrees";
import { CheckList } from "./Checks";
import { Counted } from "./Counted";
import { Crops } from "./Crops";
import { byName } from "./differential";
import { sharesFigure } from "./figure";
import { Head, Specimen } from "./Head";
import { Old } from "./Old";
import { Reclassified } from "./Reclassified";
import { Send } from "./Send";
import { SignOff } from "./SignOff";
import { profileWords } from "./signedFacts";
import { Table } from "./Table";
import { cellsOf, headline, type Showing, shownFirst, versions } from "./versions";
import "./report.scss";

/** A differential is of cell types, whichever label set the desk shows. */
const LABEL_SET = "cell_type";
const FORMATS: [NewExport["format"], string][] = [
  ["labels", "Labels alone (CSV)"],
  ["csv", "Table (CSV)"],
  ["parquet", "Table (Parquet)"],
  ["json", "Everything (JSON)"],
  ["folder", "Crops in a folder for each type (zip)"],
  ["coco", "Annotations (COCO-like JSON)"],
  ["fiftyone", "Labels for FiftyOne (zip)"],
  ["label-studio", "Tasks for Label Studio (zip)"],
];

/** The differential of a case, as signed or as it is now; who signed it; and the sheet that is printed. */
export default function Report() {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const chosen = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  // A project's settings may change in another browser; what was opened with may be old.
  const settings = useProject(project.id).data ?? project;
  const session = useSession();
  const changes = useFollowed("report");
  const [asked, setAsked] = useState<Showing | null>(null);
  const [level, setLevel] = useState<Level | null>(null);
  const [unstored, setUnstored] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  const root = ["projects", project.id, "report"];
  const ofCase = { path: { project: project.id }, query: { case: chosen ?? undefined } };

  const atLevel = { ...ofCase, query: { ...ofCase.query, level: level ?? undefined } };
  const differential = useQuery({
    queryKey: [...root, "differential", chosen, level],
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/differential", { params: atLevel, signal })),
    // At another level the counts stay until those come; another case's never stand under this one's name.
    placeholderData: (before, query) => (query?.queryKey[root.length + 1] === chosen ? before : undefined),
  });
  const agreement = useQuery({
    queryKey: [...root, "agreement", chosen],
    queryFn: ({ signal }) => body(api.GET("/projects/{project}/agreement", { params: ofCase, signal })),
  });
  const signatures = useQuery({
    queryKey: [...root, "signatures"],
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/signatures", { params: { path: { project: project.id } }, signal })),
  });
  const columns = useQuery({
    queryKey: [...root, "columns"],
    queryFn: ({ signal }) => fetchColumns(project.id, { label_set: LABEL_SET }, signal),
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of these events makes the report old
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: root.slice(0, 3) });
  }, [changes, queries]);

  const marks = useMemo(() => byName(columns.data?.classes ?? []), [columns.data?.classes]);
  const dark = useTheme() === "dark";
  const signing = useSigning(chosen);
  const foreign = useFamiliarity(chosen)?.foreign ?? false;
  const all = useMemo(() => versions(signatures.data?.items ?? [], chosen), [signatures.data, chosen]);
  // A signed case shows what was signed, whatever the model has learnt since; the counts of now are one click away.
  const showing = asked ?? shownFirst(all, signing.data);
  const record = showing === "now" ? undefined : all.find(({ version }) => version === showing)?.first;
  const stored = useQuery({
    queryKey: [...root, "record", record?.id],
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/signatures/{signature}", {
          params: { path: { project: project.id, signature: record!.id } },
          signal,
        }),
      ),
    enabled: record !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const shown = record ? record.differential : differential.data;
  const rows = shown?.rows;
  const classes = columns.data?.classes;
  const finer = classes?.some(({ parent, merged_into }) => parent && !merged_into) ?? false;
  const cells = useMemo(() => {
    if (!record) return columns.data;
    return stored.data?.cells && classes ? cellsOf(stored.data.cells, classes) : undefined;
  }, [record, columns.data, stored.data, classes]);
  const several = useMemo(
    () => chosen === null && new Set(columns.data?.case ?? [-1, 0]).size > 1,
    [chosen, columns.data?.case],
  );
  const labelled = useMemo(
    () => columns.data?.label.some((code, row) => code !== NONE && columns.data.case[row] === chosen) ?? false,
    [columns.data, chosen],
  );
  const outside = useMemo(
    () => (chosen === null ? (columns.data?.outside.reduce((sum, one) => sum + one, 0) ?? 0) : 0),
    [chosen, columns.data?.outside],
  );
  const figure = useMemo(() => rows && sharesFigure(rows, marks, dark), [rows, marks, dark]);

  // Who takes data away is noted, so it is asked for first; the file then streams to the disk.
  const take = useMutation({
    mutationFn: async (format: NewExport["format"]) => {
      const path = { project: project.id };
      const asked = { format, case: chosen, label_set: LABEL_SET, bom: false };
      const made = await body(api.POST("/projects/{project}/exports", { params: { path }, body: asked }));
      follow(address(`/projects/${project.id}/exports/${made.id}`));
    },
  });

  if (differential.isPending || signatures.isPending) return <Loading what="Counting the cells" />;
  // Counts and forms stay where newer ones could not be loaded: a remark may just be being typed.
  if (differential.isLoadingError) return <Failure fault={differential.error} retry={() => differential.refetch()} />;
  // Without the signatures a signed case would read as one that nobody signed.
  if (signatures.isLoadingError) return <Failure fault={signatures.error} retry={() => signatures.refetch()} />;
  const data = shown ?? differential.data;
  const counted = data.rows.some((row) => row.before.count || row.after.count);
  // A record bears the name that its signer saw, whatever the case is called now.
  const name = (record ? stored.data?.specimen?.key : signing.data?.specimen.key) || nameOf(chosen, cases);
  const may = settings.role !== "viewer" && !settings.archived;
  const heading = cases.length ? `${project.name}, ${chosen ? `case ${name}` : name.toLowerCase()}` : project.name;
  const said = headline(all, showing, signing.data);
  // Of the answer whose `facts` are signed: what is on the page is what is signed.
  const specimen = record ? stored.data?.specimen : signing.data?.specimen;
  const profile = record ? stored.data?.profile : signing.data?.profile;
  const checks = record ? record.checks : chosen ? signing.data?.checks : null;

  return (
    <article className="sheet sheet-wide report">
      <header className="report-head">
        <div>
          <h1 ref={title} tabIndex={-1}>
            Differential: {heading}
          </h1>
          {chosen ? (
            <p className={`report-signed${said.open ? " report-changed" : ""}`} role="status">
              {said.text}{" "}
              {record ? (
                <button type="button" className="bin-act" onClick={() => setAsked("now")}>
                  show the counts now
                </button>
              ) : (
                all.length > 0 && (
                  <button type="button" className="bin-act" onClick={() => setAsked(all[0]!.version)}>
                    show what was signed
                  </button>
                )
              )}
            </p>
          ) : (
            <p className="report-signed report-changed">{nameOf(chosen, cases)}, to look at: only a case is signed.</p>
          )}
          {specimen && <Specimen specimen={specimen} />}
          {profile && <p className="quiet">{profileWords(profile)}</p>}
          <Head differential={data} ofCase={chosen} />
          <Old
            of={[
              // A record stays as it was signed.
              ...(record ? [] : [{ what: "the counts", answer: differential }]),
              ...(record ? [] : [{ what: "the cells shown", answer: columns }]),
              ...(chosen ? [{ what: "the signatures", answer: signatures }] : []),
              ...(chosen ? [{ what: "the specimen and the checks before signing", answer: signing }] : []),
            ]}
          />
        </div>
        <div className="report-do">
          <Dropdown align="end">
            <Dropdown.Toggle size="sm" variant="outline-primary" id="export">
              Export
            </Dropdown.Toggle>
            <Dropdown.Menu>
              {FORMATS.map(([format, title]) => (
                <Dropdown.Item key={format} as="button" type="button" onClick={() => take.mutate(format)}>
                  {title}
                </Dropdown.Item>
              ))}
            </Dropdown.Menu>
          </Dropdown>
          <Button size="sm" variant="outline-primary" onClick={() => window.print()}>
            Print
          </Button>
          {(record || (chosen && counted && !foreign && !signing.data?.locked)) && (
            <Send project={project.id} signature={record?.id ?? null} ofCase={chosen} />
          )}
          <FaultLine fault={take.error} />
        </div>
      </header>
      {counted ? (
        <div className="report-body">
          <section className="report-main">
            {!record && finer && <Levels level={level ?? data.level} choose={setLevel} />}
            <Counted
              counting={data.counting ?? null}
              gone={data.drawn_cells_gone}
              later={data.cells_since_draw}
              outside={record ? 0 : outside}
              choices={data.counting_choices}
              ofCase={chosen}
              may={may && !record && signing.data !== undefined && !signing.data.locked}
              labelled={labelled}
            />
            <Table differential={data} marks={marks} />
            {chosen && !record && signing.data && !signing.data.locked && (
              <FindingsForm ofCase={chosen} may={may} setUnstored={setUnstored} />
            )}
            {record && stored.isLoadingError && <Failure fault={stored.error} retry={() => stored.refetch()} />}
            {record && stored.data?.report && <Signed report={stored.data.report} />}
            {checks && checks.length > 0 && (
              <section className="report-checks">
                <h2>{record ? "Checked before signing" : "Checks"}</h2>
                <CheckList checks={checks} />
              </section>
            )}
            {figure && (
              <figure className="report-figure">
                <Chart
                  label="Share of each type by the model alone and as counted, with 95% intervals; the table has the same figures"
                  figure={figure}
                  height={32 * data.rows.length + 56}
                />
                <figcaption className="quiet small">
                  Hollow: the model alone. Filled: as counted, with its 95% interval (Wilson)
                  {data.unreviewed > 0 && "; cells not reviewed count as the model reads them"}.
                </figcaption>
              </figure>
            )}
          </section>
          <aside className="report-side">
            <Reclassified
              title={data.moved_by_model === null ? "Reclassified" : "Reclassified by people"}
              about="Cells that people labelled as another type than the model alone had read"
              none="People changed no type."
              moved={data.reclassified}
              marks={marks}
            />
            {data.moved_by_model !== null && data.moved_by_model.length > 0 && (
              <Reclassified
                title="Moved by the model, not reviewed"
                about="Cells that nobody labelled and the model reads as another type since it was taught"
                none=""
                moved={data.moved_by_model}
                marks={marks}
              />
            )}
            {!record && (
              <Agrees agreement={agreement.data} failed={agreement.error} retry={() => void agreement.refetch()} />
            )}
            {signing.isLoadingError && <Failure fault={signing.error} retry={() => signing.refetch()} />}
            {session.data?.user && (
              <SignOff
                project={settings}
                chosen={chosen}
                heading={heading}
                live={differential.data}
                signing={signing.data}
                all={all}
                showing={showing}
                show={setAsked}
                several={several}
                user={session.data.user}
                unstored={unstored}
                onPage={(classes && stored.data?.id) ?? null}
                away={stored.isLoadingError || columns.isLoadingError}
                onGone={() => title.current?.focus()}
                onSigned={() => {
                  setAsked(null);
                  void queries.invalidateQueries({ queryKey: root.slice(0, 3) });
                  void queries.invalidateQueries({ queryKey: names.signing(project.id, true) });
                }}
              />
            )}
          </aside>
          {columns.isLoadingError && <Failure fault={columns.error} retry={() => columns.refetch()} />}
          {cells && classes && (
            <Crops
              cells={cells}
              classes={classes}
              ofCase={record ? null : chosen}
              project={project.id}
              mark={may && !record && signing.data && !signing.data.locked ? chosen : null}
            />
          )}
        </div>
      ) : (
        <Empty title="Nothing is counted yet">The differential begins with the first cell that has been read.</Empty>
      )}
      <footer className="report-notice">Research use only. Not for primary diagnosis.</footer>
    </article>
  );
}

type Level = DifferentialShown["level"];

const LEVELS: Record<Level, string> = { subtype: "each type by itself", type: "upper types" };

/** How finely the types are told, where the laboratory has finer ones. It is signed as it is shown. */
function Levels({ level, choose }: { level: Level; choose: (level: Level) => void }) {
  return (
    <fieldset className="report-levels">
      <legend className="small quiet">Told as</legend>
      {(Object.keys(LEVELS) as Level[]).map((one) => (
        <Form.Check
          inline
          type="radio"
          key={one}
          id={`level-${one}`}
          name="level"
          label={LEVELS[one]}
          checked={level === one}
          onChange={() => choose(one)}
        />
      ))}
    </fieldset>
  );
}
