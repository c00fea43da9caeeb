import { useState } from "react";
import { Button, Form } from "react-bootstrap";
import { useLabelSets } from "../api/queries";
import type { FinderShown, ProfileShown, Profiles } from "../api/schema";
import { finderWords, fitWords, score } from "../fields/words";
import { useTrust } from "../foreign/familiarity";
import { ByType } from "../foreign/Trust";
import { useProjectContext, useProjectState } from "../project/context";
import { Failure, FaultLine, Loading } from "../ui/states";
import { Asks } from "../validation/Drift";
import { calibrationWords, differs, factor, measuredWords, useProfileActions, useProfiles } from "./profiles";
import "./profiles.scss";

/** Every scanner of the project: its scale, what its cells look like, how far it is to be trusted. */
export function Scanners() {
  const found = useProfiles(null);
  if (found.isPending) return <Loading what="Looking up the scanners" />;
  if (found.isError) return <Failure fault={found.error} retry={() => found.refetch()} />;
  return (
    <section className="mt-5" aria-label="Scanners">
      <h2>Scanners</h2>
      <p className="quiet">
        A scanner with its stain is a profile: pixel scale, labels and calibration of its own. Labels teach the profile
        of their case and no other.
      </p>
      {found.data.items.map((one) => (
        <Scanner key={one.id} one={one} all={found.data} />
      ))}
    </section>
  );
}

function Scanner({ one, all }: { one: ProfileShown; all: Profiles }) {
  const { project } = useProjectContext();
  const { change, measure, merge } = useProfileActions();
  const [name, setName] = useState(one.name);
  const [scale, setScale] = useState<string | null>(null);
  const [into, setInto] = useState("");
  const others = all.items.filter(({ id }) => id !== one.id);
  const written = scale ?? factor(one.scale);
  const changed = scale !== null && Number(scale) !== one.scale;
  const busy = change.isPending || measure.isPending || merge.isPending;
  const may = project.role !== "viewer" && !project.archived;
  return (
    <form
      className="scanner"
      aria-label={one.name}
      onSubmit={(event) => {
        event.preventDefault();
        const given = { ...(name === one.name ? {} : { name }), ...(changed ? { scale: Number(scale) } : {}) };
        change.mutate({ profile: one.id, ...given }, { onSuccess: () => setScale(null) });
      }}
    >
      <div className="scanner-head">
        <Form.Control
          size="sm"
          aria-label="Name"
          required
          maxLength={200}
          disabled={!may}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <span className="quiet">
          {one.cases.toLocaleString("en")} {one.cases === 1 ? "case" : "cases"} · {one.cells.toLocaleString("en")} cells
          · {one.labelled.toLocaleString("en")} labelled
          {one.novelty !== null && ` · median novelty ${one.novelty.toFixed(2)}`}
        </span>
      </div>
      <div className="scale-acts">
        <Form.Label htmlFor={`scale-${one.id}`}>Scale</Form.Label>
        <Form.Control
          size="sm"
          id={`scale-${one.id}`}
          className="scale-field"
          type="number"
          min={0.05}
          max={20}
          step="any"
          disabled={!may}
          value={written}
          onChange={(event) => setScale(event.target.value)}
        />
        <span>{measuredWords(one.measured)}</span>
        {differs(one.scale, one.measured) && one.measured && (
          <button
            type="button"
            className="bin-act"
            disabled={!may}
            onClick={() => setScale(factor(one.measured!.used))}
          >
            take {factor(one.measured.used)}
          </button>
        )}
        <button
          type="button"
          className="bin-act"
          disabled={busy || !may}
          onClick={() => measure.mutate({ profile: one.id })}
        >
          {measure.isPending ? "measuring…" : "measure"}
        </button>
      </div>
      {changed && (
        <p className="quiet">
          Its {one.cells.toLocaleString("en")} cells are read again at the new scale, but those of signed cases.
        </p>
      )}
      {one.finder && <Finder profile={one.id} finder={one.finder} />}
      {one.calibration && <p className="quiet">{calibrationWords(one.calibration)}</p>}
      <Asks profile={one.id} />
      <ScannerTrust profile={one.id} />
      <FaultLine fault={change.error ?? measure.error ?? merge.error} />
      {may && (
        <div className="scale-acts">
          <Button type="submit" size="sm" disabled={busy || (name === one.name && !changed)}>
            Save
          </Button>
          {project.role === "admin" && others.length > 0 && (
            <>
              <Form.Select
                size="sm"
                className="push"
                aria-label={`Merge ${one.name} into`}
                value={into}
                onChange={(event) => setInto(event.target.value)}
              >
                <option value="">merge into…</option>
                {others.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </Form.Select>
              <Button
                size="sm"
                variant="outline-danger"
                disabled={busy || !into}
                onClick={() => merge.mutate({ profile: one.id, into: Number(into) })}
              >
                Merge
              </Button>
            </>
          )}
        </div>
      )}
    </form>
  );
}

/** What the search for white cells did in its fields, and the offer to learn from it. */
function Finder({ profile, finder }: { profile: number; finder: FinderShown }) {
  const { project } = useProjectContext();
  const { fit } = useProfileActions();
  const may = project.role === "admin" && !project.archived;
  return (
    <>
      <p className="quiet">
        {finderWords(finder)} It takes something for a white cell from a score of {score(finder.least)}.{" "}
        {may && finder.checked > 0 && (
          <button type="button" className="bin-act" disabled={fit.isPending} onClick={() => fit.mutate(profile)}>
            {fit.isPending ? "searching them again…" : "fit the score to what was corrected"}
          </button>
        )}
      </p>
      {fit.data && <p role="status">{fitWords(fit.data)}</p>}
      <FaultLine fault={fit.error} />
    </>
  );
}

/** The statement of trust, by type too. */
function ScannerTrust({ profile }: { profile: number }) {
  const { project } = useProjectContext();
  const found = useTrust(null, profile);
  const labelSet = useProjectState((state) => state.labelSet);
  const classes = useLabelSets(project.id).data?.find(({ name }) => name === labelSet)?.classes ?? [];
  if (!found?.asked) return <p className="quiet">Nobody has labelled cells of it one by one yet.</p>;
  const share = (value: number) => `${Math.round(100 * value)}%`;
  return (
    <section aria-label="Statement of trust">
      <p>
        Right before people said so: {found.right} of {found.asked}.{" "}
        {found.checks > 0 &&
          `Of ${found.checks} ${found.checks === 1 ? "cell" : "cells"} drawn at random the model now reads ${found.checks_right} right (95% interval ${share(found.low)} to ${share(found.high)}).`}
      </p>
      <ByType found={found} classes={classes} where="among its cells" />
    </section>
  );
}
