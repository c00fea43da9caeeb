import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Button, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import { names, useLabelSets } from "../api/queries";
import type { SigningRules as Rules, SigningRule } from "../api/schema";
import { useProjectContext } from "../project/context";
import { Overtaken, useEdited } from "../ui/edited";
import { Failure, FaultLine, Loading } from "../ui/states";
import {
  CHECKS,
  type CheckName,
  LEVELS,
  type Level,
  limitOf,
  newRule,
  shownLimit,
  subjectOf,
  withRule,
  withSubject,
} from "./rules";
import "./signing.scss";

/** What is checked before a case is signed, and what follows. */
export function SigningRules() {
  const { project } = useProjectContext();
  const queryKey = names.signingRules(project.id);
  const rules = useQuery({
    queryKey,
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/signing-rules", { params: { path: { project: project.id } }, signal })),
  });
  if (rules.isPending) return <Loading what="Looking up the rules" />;
  if (rules.isError) return <Failure fault={rules.error} retry={() => rules.refetch()} />;
  return <Edited given={rules.data} queryKey={queryKey} />;
}

function Edited({ given, queryKey }: { given: Rules; queryKey: readonly (string | number)[] }) {
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const edited = useEdited(given);
  const { now: rules, set: setRules, changed } = edited;
  const types = useLabelSets(project.id).data?.find(({ name }) => name === "cell_type")?.classes ?? [];
  const save = useMutation({
    mutationFn: (sent: Rules) =>
      body(api.PUT("/projects/{project}/signing-rules", { params: { path: { project: project.id } }, body: sent })),
    onSuccess: (saved, sent) => {
      edited.saved(sent, saved);
      queries.setQueryData(queryKey, saved);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(rules);
  };
  const own = rules.rules ?? [];
  return (
    <Form className="settings signing-rules mt-5" onSubmit={submit}>
      <h2>Before a case is signed</h2>
      <p className="quiet">
        Every check is stored with the signature, with its number. A case of a scanner that the model does not know is
        never signed, whatever is set here.
      </p>
      <Form.Group controlId="signing-confirm">
        <Form.Label>A signer gives</Form.Label>
        <Form.Select
          value={rules.confirm ?? "none"}
          onChange={(event) => setRules({ ...rules, confirm: event.target.value as NonNullable<Rules["confirm"]> })}
        >
          <option value="none">nothing more</option>
          <option value="initials">their initials</option>
          <option value="password">their password</option>
        </Form.Select>
      </Form.Group>
      <Form.Group controlId="signing-target">
        <Form.Label>Leukocytes to be counted</Form.Label>
        <Form.Control
          type="number"
          min={1}
          max={10_000}
          required
          value={rules.target ?? 100}
          onChange={(event) => setRules({ ...rules, target: Number(event.target.value) })}
        />
      </Form.Group>
      <table className="table table-sm">
        <caption className="visually-hidden">What follows from each check</caption>
        <tbody>
          {(Object.keys(CHECKS) as CheckName[]).map((name) => (
            <tr key={name}>
              <th scope="row">{CHECKS[name]}</th>
              <td>
                <LevelChoice
                  name={CHECKS[name]}
                  value={rules[name] ?? "warn"}
                  choose={(level) => setRules({ ...rules, [name]: level })}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>Rules</h3>
      {own.map((rule, at) => (
        <RuleLine
          key={at}
          rule={rule}
          at={at}
          types={types}
          change={(changed) => setRules(withRule(rules, at, changed))}
        />
      ))}
      {!own.length && <p className="quiet">None. A rule may ask for a second signature from 1% blasts on.</p>}
      <Overtaken edited={edited} />
      <FaultLine fault={save.error} />
      <div className="d-flex gap-2">
        <Button
          variant="outline-secondary"
          disabled={!types.length || own.length >= 20}
          onClick={() => {
            const blast = types.find(({ name }) => name === "blast") ?? types[0]!;
            setRules(withRule(rules, own.length, newRule(blast.name)));
          }}
        >
          Add a rule
        </Button>
        <Button type="submit" disabled={!changed || save.isPending}>
          Save the rules
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

function LevelChoice({ name, value, choose }: { name: string; value: Level; choose: (level: Level) => void }) {
  return (
    <Form.Select
      size="sm"
      aria-label={`${name}: what follows`}
      value={value}
      onChange={(event) => choose(event.target.value as Level)}
    >
      {(Object.keys(LEVELS) as Level[]).map((level) => (
        <option key={level} value={level}>
          {LEVELS[level]}
        </option>
      ))}
    </Form.Select>
  );
}

interface LineProps {
  rule: SigningRule;
  at: number;
  types: { name: string; title: string }[];
  change: (rule: SigningRule | null) => void;
}

function RuleLine({ rule, at, types, change }: LineProps) {
  const named = `Rule ${at + 1}`;
  return (
    <div className="rule-line">
      <Form.Select
        size="sm"
        aria-label={`${named}: of what`}
        value={subjectOf(rule)}
        onChange={(event) => change(withSubject(rule, event.target.value))}
      >
        {types.map(({ name, title }) => (
          <option key={name} value={`type ${name}`}>
            {title}, of leukocytes
          </option>
        ))}
        <option value="erythroblasts">Erythroblasts for 100 leukocytes</option>
        <option value="unusual">Unusual cells not reviewed, of all</option>
        <option value="unsure">Unsure cells, of all</option>
      </Form.Select>
      <span className="quiet">from</span>
      <Form.Control
        size="sm"
        type="number"
        required
        min={0.01}
        max={rule.measure === "erythroblasts" ? 1000 : 100}
        step="any"
        aria-label={`${named}: from`}
        value={shownLimit(rule)}
        onChange={(event) => change({ ...rule, at_least: limitOf(rule.measure, Number(event.target.value)) })}
      />
      <span className="quiet">{rule.measure === "erythroblasts" ? "on" : "% on"}</span>
      <LevelChoice name={named} value={rule.level} choose={(level) => change({ ...rule, level })} />
      <button type="button" className="bin-act" aria-label={`Remove rule ${at + 1}`} onClick={() => change(null)}>
        remove
      </button>
    </div>
  );
}
