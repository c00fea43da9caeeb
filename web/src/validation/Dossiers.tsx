import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import type { DossierShown } from "../api/schema";
import { useProjectContext } from "../project/context";
import { Failure, FaultLine, Loading } from "../ui/states";
import { when } from "../ui/time";
import { EXAMPLE } from "./protocol";
import { unfinished, useCallOffDossier, useDossiers, useMakeDossier, useTakeDossier } from "./queries";

const STATES: Record<DossierShown["state"], string> = {
  waiting: "waits for a worker",
  running: "is being made",
  made: "made",
  failed: "not made",
};

/** Dossiers of the laboratory's own signed cells: asked for with a protocol, made by a worker, kept. */
export function Dossiers() {
  const { project } = useProjectContext();
  const found = useDossiers();
  if (found.isPending) return <Loading what="Looking for dossiers" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  const all = found.data.pages.flatMap((page) => page.items);
  return (
    <section aria-label="Dossiers">
      <h2>Dossiers</h2>
      <p className="quiet">
        The bundle reads the signed cells anew, without what it learnt from them, and is compared with what people
        signed. The protocol says what would be good enough before anybody looks.
      </p>
      {project.role === "admin" && !project.archived && <Make known={all} busy={unfinished(all[0])} />}
      {all.length === 0 && <p className="quiet">No dossier yet.</p>}
      <ul className="dossiers">
        {all.map((one) => (
          <li key={one.id}>
            <Dossier one={one} mayCallOff={project.role === "admin" && !project.archived} />
          </li>
        ))}
      </ul>
      {found.hasNextPage && (
        <Button size="sm" variant="link" disabled={found.isFetching} onClick={() => found.fetchNextPage()}>
          Older dossiers
        </Button>
      )}
    </section>
  );
}

function Make({ known, busy }: { known: DossierShown[]; busy: boolean }) {
  const [protocol, setProtocol] = useState(known[0]?.protocol ?? EXAMPLE);
  const make = useMakeDossier();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate(protocol);
  };
  const protocols = known.filter((one, at) => known.findIndex((other) => other.protocol === one.protocol) === at);
  return (
    <form className="dossier-make" aria-label="Make a dossier" onSubmit={submit}>
      <div className="dossier-from">
        <Form.Select
          size="sm"
          aria-label="Begin with"
          value=""
          onChange={({ target: { value } }) =>
            setProtocol(value === "example" ? EXAMPLE : known.find(({ id }) => id === Number(value))!.protocol)
          }
        >
          <option value="" disabled>
            begin with…
          </option>
          <option value="example">the example</option>
          {protocols.map((one) => (
            <option key={one.id} value={one.id}>
              the protocol of {when(one.asked_at)}: {one.title}
            </option>
          ))}
        </Form.Select>
        <Form.Control
          size="sm"
          type="file"
          accept=".toml,text/plain"
          aria-label="Protocol from a file"
          onChange={async (event) => {
            const file = (event.target as HTMLInputElement).files?.[0];
            if (file) setProtocol(await file.text());
          }}
        />
      </div>
      <Form.Control
        as="textarea"
        className="dossier-protocol"
        aria-label="Protocol"
        spellCheck={false}
        rows={14}
        required
        maxLength={50_000}
        value={protocol}
        onChange={(event) => setProtocol(event.target.value)}
      />
      <Button type="submit" disabled={busy || make.isPending}>
        Make the dossier
      </Button>
      <FaultLine fault={make.error} />
    </form>
  );
}

function Dossier({ one, mayCallOff }: { one: DossierShown; mayCallOff: boolean }) {
  const take = useTakeDossier(one.id);
  const callOff = useCallOffDossier(one.id);
  const missed = one.summary?.verdicts.filter(({ judged }) => judged === "not met").length ?? 0;
  return (
    <article aria-label={`Dossier ${one.id}`}>
      <h3>{one.title}</h3>
      <p>
        <span className="quiet">
          {when(one.asked_at)}, asked for by {one.name} ·{" "}
        </span>
        <strong>{STATES[one.state]}</strong>
        {one.summary && (
          <span className="quiet">
            {" "}
            · {one.summary.cells.toLocaleString("en")} cells of {one.summary.cases} cases · {one.summary.bundle}
          </span>
        )}
        {mayCallOff && unfinished(one) && (
          <Button size="sm" variant="link" disabled={callOff.isPending} onClick={() => callOff.mutate()}>
            Call off
          </Button>
        )}
        {one.dropped_at && (
          <span className="quiet"> · files dropped for newer dossiers; SHA-256 of the zip {one.archive_sha256}</span>
        )}
        {one.state === "made" && !one.dropped_at && (
          <>
            {" "}
            <Button size="sm" variant="link" disabled={take.isPending} onClick={() => take.mutate("pdf")}>
              PDF
            </Button>
            <Button size="sm" variant="link" disabled={take.isPending} onClick={() => take.mutate("zip")}>
              All files (zip)
            </Button>
          </>
        )}
      </p>
      <FaultLine fault={take.error ?? callOff.error} />
      {one.state === "failed" && <pre className="dossier-said">{one.said}</pre>}
      {one.summary?.changes.map((line) => (
        <p key={line} className="dossier-changed">
          {line}
        </p>
      ))}
      {one.summary && one.summary.verdicts.length > 0 && (
        <table className="table table-sm dossier-verdicts">
          <caption>{missed ? `${missed} of the limits not met` : "No limit missed"}</caption>
          <thead>
            <tr>
              <th>Limit</th>
              <th>Asked</th>
              <th>Found</th>
              <th>Judged</th>
            </tr>
          </thead>
          <tbody>
            {one.summary.verdicts.map((verdict) => (
              <tr key={verdict.name}>
                <th scope="row">{verdict.name.replaceAll("_", " ")}</th>
                <td>{verdict.asked}</td>
                <td>{verdict.found}</td>
                <td data-judged={verdict.judged}>{verdict.judged}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </article>
  );
}
