import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useId, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { names, useLabelSets } from "../api/queries";
import { inUse, PLAIN } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { inks, Letter } from "../ui/marks";
import { FaultLine, Loading } from "../ui/states";
import { COUNTINGS, type Counting, type TypeDraft, typeRequest, under } from "./types";
import "./labelsets.scss";

/** A new type of the label set on the desk: one that is offered, or the laboratory's own. */
export default function AddType({ close }: { close: () => void }) {
  const { project, store } = useProjectContext();
  const queries = useQueryClient();
  const name = useProjectState((state) => state.labelSet);
  const set = useLabelSets(project.id).data?.find((one) => one.name === name);
  const [draft, setDraft] = useState<TypeDraft>({ title: "", counts: "in", parent: "", colour: 0, key: "" });
  const id = useId();
  const params = { path: { project: project.id, label_set: set?.id ?? 0 } };
  const offered = useQuery({
    queryKey: names.offeredTypes(project.id, set?.id ?? 0),
    queryFn: ({ signal }) =>
      body(api.GET("/projects/{project}/label-sets/{label_set}/types/offered", { params, signal })),
    enabled: set !== undefined,
    gcTime: 0,
  });
  const colours = offered.data?.colours ?? [];
  const add = useMutation({
    mutationFn: () =>
      body(api.POST("/projects/{project}/label-sets/{label_set}/types", { params, body: typeRequest(draft, colours) })),
    onSuccess: async (changed) => {
      const made = changed.classes.at(-1)!;
      await queries.invalidateQueries({ queryKey: names.labelSets(project.id) });
      const text = `${made.title} is a type now. Press ${made.key} on a cell to label it so.`;
      store.notify({ kind: "done", text, images: [], undo: false });
      close();
    },
  });
  useEffect(() => {
    if (offered.data && !draft.key) setDraft((now) => ({ ...now, key: offered.data.keys[0] ?? "" }));
  }, [offered.data, draft.key]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  const upper = inUse(set?.classes ?? []).filter(({ parent }) => !parent);
  return (
    <Modal show onHide={close} centered aria-labelledby={`${id}-title`} className="add-type-dialog">
      <Form onSubmit={submit}>
        <Modal.Header closeButton>
          <Modal.Title as="h2" id={`${id}-title`}>
            Add a type{set && ` to ${set.title}`}
          </Modal.Title>
        </Modal.Header>
        <Modal.Body>
          {!offered.data && !offered.isError && <Loading what="Looking up types" />}
          <FaultLine fault={offered.error} />
          {offered.data && offered.data.types.length > 0 && (
            <fieldset className="offered">
              <legend className="small quiet">Ready to use</legend>
              {offered.data.types.map((type) => (
                <button
                  type="button"
                  key={type.name}
                  className="offered-type"
                  aria-pressed={draft.name === type.name}
                  onClick={() =>
                    setDraft({
                      name: type.name,
                      title: type.title,
                      counts: type.counts,
                      parent: type.parent ?? "",
                      colour: { light: type.light, dark: type.dark },
                      key: type.key,
                    })
                  }
                >
                  {type.title}
                </button>
              ))}
            </fieldset>
          )}
          {offered.data && (
            <>
              <div className="add-type-first">
                <Form.Group controlId={`${id}-name`}>
                  <Form.Label>Name</Form.Label>
                  <Form.Control
                    autoFocus
                    required
                    maxLength={60}
                    autoComplete="off"
                    placeholder="Hairy cell"
                    value={draft.title}
                    onChange={(event) => setDraft({ ...draft, title: event.target.value, name: undefined })}
                  />
                </Form.Group>
                <Form.Group controlId={`${id}-key`}>
                  <Form.Label>Key</Form.Label>
                  <Form.Control
                    required
                    maxLength={1}
                    pattern="[A-Za-z0-9]"
                    autoComplete="off"
                    title={`Free keys: ${offered.data.keys.join(" ")}`}
                    value={draft.key}
                    onChange={(event) => setDraft({ ...draft, key: event.target.value.toUpperCase() })}
                  />
                </Form.Group>
              </div>
              <Colours draft={draft} setDraft={setDraft} colours={colours} />
              <fieldset className="add-type-counts">
                <legend className="form-label">Counts</legend>
                {(Object.keys(COUNTINGS) as Counting[]).map((counts) => (
                  <Form.Check
                    type="radio"
                    key={counts}
                    name={`${id}-counts`}
                    id={`${id}-${counts}`}
                    label={COUNTINGS[counts]}
                    checked={draft.counts === counts}
                    onChange={() => setDraft({ ...draft, counts })}
                  />
                ))}
              </fieldset>
              <Form.Group controlId={`${id}-parent`}>
                <Form.Label>Is a kind of</Form.Label>
                <Form.Select
                  size="sm"
                  value={draft.parent}
                  onChange={(event) => setDraft(under(draft, event.target.value, upper))}
                >
                  <option value="">none of the others</option>
                  {upper.map((mark) => (
                    <option key={mark.name} value={mark.name}>
                      {mark.title}
                    </option>
                  ))}
                </Form.Select>
              </Form.Group>
            </>
          )}
          <FaultLine fault={add.error} />
        </Modal.Body>
        <Modal.Footer>
          <p className="small quiet me-auto mb-0">The model reads it once some cells are labelled so.</p>
          <Button type="submit" disabled={!offered.data || !draft.title.trim() || add.isPending}>
            Add type
          </Button>
        </Modal.Footer>
      </Form>
    </Modal>
  );
}

interface ColoursProps {
  draft: TypeDraft;
  setDraft: (draft: TypeDraft) => void;
  colours: readonly { light: string; dark: string }[];
}

/** Colours that no other type has; the letter stands in each as it will on the desk. */
function Colours({ draft, setDraft, colours }: ColoursProps) {
  const own = typeof draft.colour === "object" ? draft.colour : null;
  const all = own && !colours.some(({ light }) => light === own.light) ? [own, ...colours] : colours;
  const chosen = own ?? colours[draft.colour as number];
  return (
    <fieldset className="add-type-colours">
      <legend className="form-label">Colour</legend>
      {all.map((colour, at) => (
        <label key={colour.light} className="typed" style={inks(colour)}>
          <input
            type="radio"
            className="visually-hidden"
            name="type-colour"
            checked={chosen?.light === colour.light}
            onChange={() => setDraft({ ...draft, colour })}
          />
          <span className="visually-hidden">Free colour {at + 1}</span>
          <Letter mark={{ name: "", title: "", key: draft.key || "?", ...colour, ...PLAIN }} />
        </label>
      ))}
    </fieldset>
  );
}
