import { useEffect, useMemo, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { address } from "../api/client";
import type { GroupShown } from "../api/schema";
import { inTree, inUse, labelOf, NONE, rowOf } from "../columns/columns";
import { useProjectContext, useProjectState } from "../project/context";
import { TypeName } from "../ui/marks";
import { Picture } from "../ui/Picture";
import { FaultLine, Loading } from "../ui/states";
import { begun, ended, groupsOf, looked, narrowed, SAMPLES, type Search } from "./group";
import { useKeys } from "./keys";
import { Sample } from "./Sample";
import "./groups.scss";

/** Cells that are shown on each side of the border. */
const BESIDE = 18;

interface Props {
  images: readonly number[];
  /** What the cells are to be called; where it is not given, what most of them are read as. */
  label?: string;
  close: () => void;
}

/** Label a whole group on the word of a random sample: draw its border, answer the sample, accept with the bound. */
export default function GroupDialog({ images, label, close }: Props) {
  const { project } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const asked = useMemo(() => groupsOf(project.id, labelSet), [project.id, labelSet]);
  const [cells] = useState(images);
  const [order, setOrder] = useState<number[] | null>(null);
  const [group, setGroup] = useState<GroupShown | null>(null);
  const [fault, setFault] = useState<unknown>(null);

  useEffect(() => {
    let gone = false;
    const begin = async () => {
      // A sample that is open is gone on with: there is no other before it has ended.
      const open = await asked.open();
      const found = open ? null : await asked.order(cells);
      if (gone) return;
      setGroup(open);
      setOrder(found?.images ?? null);
    };
    begin().catch((fault: unknown) => !gone && setFault(fault));
    return () => {
      gone = true;
    };
  }, [asked, cells]);

  return (
    <Modal show onHide={close} size="lg" centered aria-labelledby="group-title">
      <Modal.Header closeButton>
        <Modal.Title as="h2" id="group-title">
          {group ? `A group of ${group.cells.toLocaleString("en")} cells` : "Label as a group"}
        </Modal.Title>
      </Modal.Header>
      <Modal.Body className="group">
        <FaultLine fault={fault} />
        {group ? (
          <Sample key={group.id} group={group} asked={asked} close={close} />
        ) : order ? (
          <Border order={order} label={label} draw={asked.draw} drawn={setGroup} failed={setFault} />
        ) : (
          fault === null && <Loading what="Laying the cells in order" />
        )}
      </Modal.Body>
    </Modal>
  );
}

interface BorderProps {
  order: number[];
  label: string | undefined;
  draw: ReturnType<typeof groupsOf>["draw"];
  drawn: (group: GroupShown) => void;
  failed: (fault: unknown) => void;
}

/** How many of the most typical cells are in. */
function Border({ order, label, draw, drawn, failed }: BorderProps) {
  const { project } = useProjectContext();
  const columns = useProjectState((state) => state.columns);
  const types = inTree(inUse(columns.classes));
  const [name, setName] = useState(() => label ?? mostRead(columns, order) ?? types[0]?.name ?? "");
  const [inside, setInside] = useState(order.length);
  const [size, setSize] = useState(59);
  const [search, setSearch] = useState<Search | null>(null);
  const [busy, setBusy] = useState(false);
  const answer = (all: boolean) => {
    if (!search) return;
    const next = narrowed(search, all);
    setInside(ended(next) ? next.low : next.high);
    setSearch(ended(next) ? null : next);
  };
  useKeys((key) => {
    if (!search || !["y", "n"].includes(key)) return false;
    answer(key === "y");
    return true;
  });
  const begin = () => {
    setBusy(true);
    failed(null);
    draw(order.slice(0, inside), name, size)
      .then(drawn, failed)
      .finally(() => setBusy(false));
  };
  const crop = (place: number) => (
    <Picture
      key={order[place]}
      src={address(`/projects/${project.id}/images/${order[place]!}/${search ? "picture" : "thumbnail"}`)}
      alt={`Cell ${order[place]}`}
    />
  );
  const mark = types.find((type) => type.name === name);
  if (!order.length) return <p>None of these cells is without a label and read.</p>;
  if (search)
    return (
      <section aria-label="Find the border">
        <p>Are all three of this type?</p>
        <div className="group-looked">{looked(search).map(crop)}</div>
        <p className="group-acts">
          <Button onClick={() => answer(true)}>
            <TypeName mark={mark} /> <kbd className="key">Y</kbd>
          </Button>
          <Button variant="outline-primary" onClick={() => answer(false)}>
            not all <kbd className="key">N</kbd>
          </Button>
          <Button variant="link" onClick={() => setSearch(null)}>
            stop here
          </Button>
        </p>
      </section>
    );
  const range = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, at) => crop(from + at));
  return (
    <Form
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
    >
      <div className="group-fields">
        <Form.Group controlId="group-label">
          <Form.Label>They are</Form.Label>
          <Form.Select size="sm" value={name} onChange={(event) => setName(event.target.value)}>
            {types.map((type) => (
              <option key={type.name} value={type.name}>
                {type.title}
              </option>
            ))}
          </Form.Select>
        </Form.Group>
        <Form.Group controlId="group-size">
          <Form.Label>Sample</Form.Label>
          <Form.Select size="sm" value={size} onChange={(event) => setSize(Number(event.target.value))}>
            {SAMPLES.map(({ size, bound }) => (
              <option key={size} value={size}>
                {size} cells: at least {bound}% where all are right
              </option>
            ))}
          </Form.Select>
        </Form.Group>
      </div>
      <Form.Group controlId="group-border">
        <Form.Label>
          The {inside.toLocaleString("en")} most typical of {order.length.toLocaleString("en")} are in
        </Form.Label>
        <Form.Range
          min={1}
          max={order.length}
          value={inside}
          onChange={(event) => setInside(Number(event.target.value))}
        />
      </Form.Group>
      <div className="group-beside">
        <figure>
          {range(Math.max(0, inside - BESIDE), inside)}
          <figcaption className="quiet small">the last ones in</figcaption>
        </figure>
        <figure>
          {range(inside, Math.min(order.length, inside + BESIDE))}
          <figcaption className="quiet small">the first ones out</figcaption>
        </figure>
      </div>
      <p className="group-acts">
        <Button type="submit" disabled={busy}>
          Draw the sample
        </Button>
        <Button variant="outline-primary" onClick={() => setSearch(begun(order.length))}>
          Find the border
        </Button>
      </p>
      <p className="small quiet mb-0">
        The service draws the sample; nobody chooses it, and it stays as it is. You answer each of its cells, then see
        how many labels of the group are right at the least.
      </p>
    </Form>
  );
}

/** What most of the cells are read as. */
function mostRead(columns: Parameters<typeof rowOf>[0], images: readonly number[]): string | null {
  const counts = new Map<number, number>();
  for (const image of images) {
    const row = rowOf(columns, image);
    const code = row < 0 ? NONE : columns.predicted[row]!;
    if (code !== NONE) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first ? labelOf(columns.classes, first[0]) : null;
}
