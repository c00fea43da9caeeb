import { useState } from "react";
import { Button, Form } from "react-bootstrap";
import { useProjectContext, useProjectState } from "../project/context";
import { FaultLine } from "../ui/states";
import { differs, factor, measuredWords, profileOf, useProfileActions, useProfiles } from "./profiles";
import "./profiles.scss";

/** The first step of adapting a case: which scanner it came from, and at what pixel scale it is read. */
export function ScaleFirst({ inHand }: { inHand: number }) {
  const { project } = useProjectContext();
  const found = useProfiles(inHand).data;
  const { add, change, choose, measure } = useProfileActions();
  const [name, setName] = useState("");
  const now = profileOf(found);
  if (!found || !now || project.role === "viewer") return null;
  const others = found.items.filter(({ id }) => id !== now.id);
  const shared = now.cases > 1;
  const busy = add.isPending || change.isPending || choose.isPending || measure.isPending;
  return (
    <section className="scale-first" aria-label="Scanner of this case">
      <h2>Scanner: {now.name}</h2>
      <p>
        {measuredWords(now.measured)} <span className="quiet">Read at scale {factor(now.scale)}.</span>
      </p>
      <div className="scale-acts">
        {differs(now.scale, now.measured) && now.measured && (
          <Button
            size="sm"
            disabled={busy}
            onClick={() => change.mutate({ profile: now.id, scale: now.measured!.used, scale_from: "measured" })}
          >
            Read its cells again at {factor(now.measured.used)}
          </Button>
        )}
        <Button
          size="sm"
          variant="outline-secondary"
          disabled={busy}
          onClick={() => measure.mutate({ profile: now.id, inHand })}
        >
          {measure.isPending ? "Measuring its red cells…" : "Measure this case's red cells"}
        </Button>
      </div>
      {shared && (
        <form
          className="scale-acts"
          onSubmit={(event) => {
            event.preventDefault();
            add.mutate({ name, case: inHand });
          }}
        >
          <Form.Control
            size="sm"
            aria-label="Name of the new scanner"
            placeholder="another scanner? its name"
            required
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" size="sm" variant="outline-secondary" disabled={busy || !name.trim()}>
            New scanner
          </Button>
        </form>
      )}
      {others.length > 0 && (
        <Form.Select
          size="sm"
          aria-label="Scanner"
          value={now.id}
          disabled={busy}
          onChange={(event) => choose.mutate({ inHand, profile: Number(event.target.value) })}
        >
          {found.items.map(({ id, name, likeness }) => (
            <option key={id} value={id}>
              {name}
              {likeness === null ? "" : `: ${Math.round(100 * likeness)}% of the cells look like its cells`}
            </option>
          ))}
        </Form.Select>
      )}
      <FaultLine fault={add.error ?? change.error ?? choose.error ?? measure.error} />
    </section>
  );
}

/** Says that a case looks like another scanner's cells than its own, while nobody has chosen. */
export function ProposedScanner() {
  const inHand = useProjectState((state) => state.case);
  const { project } = useProjectContext();
  const found = useProfiles(inHand).data;
  const { choose } = useProfileActions();
  const now = profileOf(found);
  const other = found?.items.find(({ id }) => id === found.proposed);
  if (!inHand || !now || !other || project.role === "viewer" || project.archived) return null;
  return (
    <div className="foreign-banner" role="status">
      <p>
        {Math.round(100 * (other.likeness ?? 0))}% of the cells look like those of the scanner{" "}
        <strong>{other.name}</strong>, {Math.round(100 * (now.likeness ?? 0))}% like those of {now.name}, which they are
        read as.
        <FaultLine fault={choose.error} />
      </p>
      <Button size="sm" disabled={choose.isPending} onClick={() => choose.mutate({ inHand, profile: other.id })}>
        It is {other.name}
      </Button>
      <Button
        size="sm"
        variant="outline-secondary"
        disabled={choose.isPending}
        onClick={() => choose.mutate({ inHand, profile: now.id })}
      >
        It is {now.name}
      </Button>
    </div>
  );
}
