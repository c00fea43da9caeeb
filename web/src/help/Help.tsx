import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button, Form } from "react-bootstrap";
import { useNavigate } from "react-router";
import { api, body } from "../api/client";
import { names, useLabelSets, useProjects } from "../api/queries";
import { inTree, inUse } from "../columns/columns";
import { KEY_CARD } from "../gallery/keys";
import { useReference } from "../landscape/reference";
import { lastProject } from "../project/last";
import { keep } from "../tour/tour";
import { Keys } from "../ui/keys";
import { Letter } from "../ui/marks";
import { FaultLine } from "../ui/states";
import { WAY } from "./way";
import { WORDS } from "./words";
import "./help.scss";

const MAP_KEYS: [string, string][] = [
  ["← → ↑ ↓", "move the map"],
  ["+ −", "nearer or farther"],
  ["0", "all cells"],
  ["Shift", "while dragging: draw a lasso"],
  ["Ctrl", "with the lasso: add to what is selected"],
];

const QUEUE_KEYS: [string, string][] = [
  ["Enter", "agree and go on"],
  ["→", "skip"],
  ["←", "back"],
];

const SEARCH_KEYS: [string, string][] = [
  ["Y", "it is of the type that is sought"],
  ["N", "it is not"],
  ["← →", "the one before; back to the search"],
];

const COUNTER_KEYS: [string, string][] = [
  ["N L M …", "a type's letter: one more of it"],
  ["Backspace", "take the last one back"],
];

/** Where else to look: the keys, a short tour, and what this is not for. */
export default function Help() {
  return (
    <div className="sheet help">
      <h1>Help</h1>
      <nav className="help-contents" aria-label="On this page">
        <a href="#way">From crops to a report</a>
        <a href="#words">Words</a>
        <a href="#keys">Keys</a>
        <TakeTour />
      </nav>
      <p className="help-notice">
        HemoSight is for research. It is not a medical device and not for primary diagnosis: a person who is qualified
        to do so looks at every smear.
      </p>
      <section id="way">
        <h2>From crops to a signed differential</h2>
        <ol className="help-tour">
          {WAY.map(({ title, text }) => (
            <li key={title}>
              <strong>{title}</strong>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      </section>
      <Words />
      <section id="keys">
        <h2>Keys</h2>
        <div className="help-keys">
          <Types />
          <Section title="Gallery" keys={KEY_CARD} />
          <div>
            <Section title="Landscape" keys={MAP_KEYS} />
            <Section title="Next" keys={QUEUE_KEYS} />
            <Section title="Search" keys={SEARCH_KEYS} />
            <Section title="Counter" keys={COUNTER_KEYS} />
          </div>
        </div>
      </section>
    </div>
  );
}

/** The letters of the types: of a project, as its laboratory has set them, or of the model in use. */
function Types() {
  const projects = useProjects().data ?? [];
  const [chosen, setChosen] = useState<number | null>(null);
  const last = lastProject();
  const open = projects.find(({ id }) => id === (chosen ?? last)) ?? (projects.length === 1 ? projects[0] : undefined);
  const model = useReference().data?.classes.cell_type ?? [];
  const sets = useLabelSets(open?.id ?? 0, open !== undefined && chosen !== 0).data;
  const own = sets?.find(({ name }) => name === "cell_type")?.classes;
  const types = chosen === 0 || !open ? model : own ? inTree(inUse(own)) : model;
  if (!types.length && !projects.length) return null;
  return (
    <div>
      <h3>Types</h3>
      {projects.length > 0 && (
        <Form.Select
          size="sm"
          className="mb-2"
          aria-label="Whose keys"
          value={chosen === 0 || !open ? 0 : open.id}
          onChange={(event) => setChosen(Number(event.target.value))}
        >
          <option value={0}>the model's</option>
          {projects.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Form.Select>
      )}
      <dl>
        {types.map((mark) => (
          <div key={mark.name}>
            <dt>
              <Letter mark={mark} spoken />
            </dt>
            <dd>{mark.title}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** A project of its own for the tour, which begins on its empty desk. */
function TakeTour() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const begin = useMutation({
    mutationFn: () =>
      body(
        api.POST("/projects", {
          body: { name: "Tour", description: "Drawn cells, to try things on", scale: 1, names: "kept" },
        }),
      ),
    onSuccess: async (project) => {
      keep(project.id, 0);
      await queries.invalidateQueries({ queryKey: names.projects });
      navigate(`/projects/${project.id}`);
    },
  });
  return (
    <>
      <Button size="sm" variant="outline-primary" disabled={begin.isPending} onClick={() => begin.mutate()}>
        Take the tour of one minute
      </Button>
      <FaultLine fault={begin.error} />
    </>
  );
}

/** The words of the page and what each of them means; those that hold a text, where one is sought. */
function Words() {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const found = WORDS.map(({ title, words }) => ({
    title,
    words: words.filter((pair) => pair.some((part) => part.toLowerCase().includes(wanted))),
  })).filter(({ words }) => words.length > 0);
  return (
    <section id="words">
      <h2>Words</h2>
      <Form.Control
        size="sm"
        type="search"
        className="help-find"
        placeholder="Find a word"
        aria-label="Find a word"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {!found.length && (
        <p className="quiet" role="status">
          No word of the page says “{text.trim()}”.
        </p>
      )}
      {found.map(({ title, words }) => (
        <div key={title} className="help-words">
          <h3>{title}</h3>
          <dl>
            {words.map(([word, meaning]) => (
              <div key={word}>
                <dt>{word}</dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </div>
      ))}
    </section>
  );
}

function Section({ title, keys }: { title: string; keys: [string, string][] }) {
  return (
    <div>
      <h3>{title}</h3>
      <Keys keys={keys} />
    </div>
  );
}
