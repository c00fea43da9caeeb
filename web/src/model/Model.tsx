import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState } from "react";
import { api, body } from "../api/client";
import type { Confusion, ClassShown as Mark, ModelShown } from "../api/schema";
import { useTheme } from "../app/theme";
import { Chart, type Figure } from "../charts/Chart";
import { Legend } from "../landscape/Legend";
import { LandscapeMap } from "../landscape/Map";
import { referenceGrouping, useReference } from "../landscape/reference";
import { Letter } from "../ui/marks";
import { Failure, Loading } from "../ui/states";
import { when } from "../ui/time";
import { Bundles } from "./Bundles";
import {
  attributesOf,
  calibrationOf,
  confusionOf,
  countsOf,
  heldOutOf,
  inOrder,
  plain,
  readoutOf,
  trainingOf,
} from "./facts";
import {
  attributesFigure,
  calibrationFigure,
  confusionFigure,
  countsFigure,
  efficiencyFigure,
  lossFigure,
} from "./figures";
import { LeftOut } from "./LeftOut";
import "./model.scss";

/** What reads the cells: what it learnt from, how well it reads, where it comes from and where it ends. */
export default function Model() {
  const model = useQuery({
    queryKey: ["model"],
    queryFn: ({ signal }) => body(api.GET("/model", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  // The marks of types come with the map of the bundle's own cells.
  const reference = useReference();
  const types = reference.data?.classes.cell_type ?? NO_TYPES;
  if (model.isPending || reference.isPending) return <Loading what="Looking up the model" />;
  if (model.isError) return <Failure fault={model.error} retry={() => model.refetch()} />;
  const { bundle, limits, confusion } = model.data;
  const held = heldOutOf(model.data);
  return (
    <article className="sheet sheet-wide model">
      <header>
        <h1>
          {bundle.name} {bundle.version}
        </h1>
        <p className="quiet">
          {[plain(bundle.backbone ?? ""), bundle.created && `made ${when(bundle.created)}`].filter(Boolean).join(", ")}
        </p>
        {held && (
          <dl className="model-figures">
            <Figured name="macro-F1, nine types" value={held.macro_f1.value} interval={held.macro_f1} />
            {held.accuracy && <Figured name="accuracy" value={held.accuracy.value} interval={held.accuracy} />}
            {held.calibration_error !== undefined && (
              <Figured name="calibration error" value={held.calibration_error} />
            )}
          </dl>
        )}
        {held && (
          <p className="quiet">
            On {held.cells.toLocaleString("en")} cells that it never met{held.split ? `; split ${held.split}` : ""}.
          </p>
        )}
      </header>
      <LeftOut model={model.data} />
      <Charts model={model.data} types={types} />
      {confusion && <Types confusion={confusion} types={types} />}
      <ReferenceMap />
      <section>
        <h2>Limits</h2>
        <ul className="model-limits">
          {limits.map((limit) => (
            <li key={limit}>{limit}</li>
          ))}
        </ul>
      </section>
      <Provenance bundle={bundle} />
      <Bundles />
    </article>
  );
}

function Figured({ name, value, interval }: { name: string; value: number; interval?: { low: number; high: number } }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value.toFixed(3)}
        {interval && (
          <span>
            {" "}
            {interval.low.toFixed(3)} to {interval.high.toFixed(3)}
          </span>
        )}
      </dd>
    </div>
  );
}

function Panel({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <section>
      <h2>{title}</h2>
      {about && <p className="quiet small">{about}</p>}
      {children}
    </section>
  );
}

function Charts({ model, types }: { model: ModelShown; types: Mark[] }) {
  const dark = useTheme() === "dark";
  const drawn = useMemo(() => {
    const counts = countsOf(model, "cell_type", types);
    const { confusion } = model;
    const attributes = attributesOf(model);
    const points = model.label_efficiency ?? [];
    const bins = calibrationOf(model);
    const panels: { title: string; about?: string; label: string; figure: Figure; height: number }[] = [];
    if (counts.length)
      panels.push({
        title: "What it learnt from",
        about: "Cells with a label that the bundle holds, by type.",
        label: `Labelled cells of each type: ${counts.map(({ name, count }) => `${name} ${count}`).join(", ")}`,
        figure: countsFigure(counts, types, dark),
        height: 340,
      });
    if (confusion)
      panels.push({
        title: "What it mistakes for what",
        about: "Held-out cells: each row those of one type, by what they were read as.",
        label: "Confusion matrix on held-out cells; the table of types has recall and precision",
        figure: confusionFigure(confusionOf(confusion), inOrder(confusion.classes, types), types),
        height: 340,
      });
    if (points.length)
      panels.push({
        title: "How many labels it takes",
        about:
          "Macro-F1 on cells that were set aside, by how many labels it was fitted on; the band is one standard deviation.",
        label: "Macro-F1 by number of labels",
        figure: efficiencyFigure(points),
        height: 280,
      });
    if (bins.length)
      panels.push({
        title: "Whether it is as sure as it is right",
        about: "Held-out cells by how sure the model is of them; on the diagonal it is right as often as it is sure.",
        label: "Share of right readings by confidence",
        figure: calibrationFigure(bins),
        height: 280,
      });
    if (attributes.length)
      panels.push({
        title: "Attributes",
        about: "Macro-F1 of each attribute, on cells that were held out.",
        label: `Macro-F1 of each attribute: ${attributes.map(({ name, value }) => `${name} ${value.toFixed(2)}`).join(", ")}`,
        figure: attributesFigure(attributes),
        height: 340,
      });
    if (model.training?.length)
      panels.push({
        title: "Training",
        about: "What the encoder still did wrong, step by step, on the crops that it was trained on.",
        label: "Loss by step",
        figure: lossFigure(model.training),
        height: 280,
      });
    return panels;
  }, [model, types, dark]);
  return (
    <div className="model-charts">
      {drawn.map(({ title, about, ...chart }) => (
        <Panel key={title} title={title} about={about}>
          <Chart {...chart} />
        </Panel>
      ))}
    </div>
  );
}

function Types({ confusion, types }: { confusion: Confusion; types: Mark[] }) {
  const order = inOrder(confusion.classes, types);
  return (
    <section>
      <h2>Each type, on held-out cells</h2>
      <table className="table model-types">
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col">recall</th>
            <th scope="col">precision</th>
            <th scope="col">F1</th>
          </tr>
        </thead>
        <tbody>
          {order.map((name) => {
            const at = confusion.classes.indexOf(name);
            const mark = types.find((type) => type.name === name);
            return (
              <tr key={name}>
                <th scope="row">
                  <Letter mark={mark} /> {mark?.title ?? name}
                </th>
                {[confusion.recall, confusion.precision, confusion.f1].map((column, place) => (
                  <td key={place}>{column?.[at]?.toFixed(3)}</td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

const NO_TYPES: Mark[] = [];
const NO_ROWS = new Uint32Array(0);

function ReferenceMap() {
  const reference = useReference();
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const grouping = useMemo(() => reference.data && referenceGrouping(reference.data, "predicted"), [reference.data]);
  const points = useMemo(
    () => (reference.data && grouping ? { x: reference.data.x, y: reference.data.y, grouping, hidden } : null),
    [reference.data, grouping, hidden],
  );
  if (!points || !reference.data?.x.length) return null;
  const { codes, classes } = reference.data;
  return (
    <section>
      <h2>Where its cells lie</h2>
      <div className="model-map">
        <Legend
          groups={points.grouping.groups}
          shares
          hidden={hidden}
          onToggle={(group) =>
            setHidden((now) => {
              const next = new Set(now);
              if (!next.delete(group)) next.add(group);
              return next;
            })
          }
        />
        <div>
          <LandscapeMap
            project={null}
            reference={points}
            chosen={NO_ROWS}
            tool="move"
            onCatch={() => {}}
            onPick={() => {}}
            card={(_layer, row) => {
              const mark = classes.cell_type?.[codes.cell_type?.[row] ?? 255];
              return (
                <p>
                  <Letter mark={mark} /> {mark?.title}
                </p>
              );
            }}
          />
        </div>
      </div>
    </section>
  );
}

function Provenance({ bundle }: { bundle: ModelShown["bundle"] }) {
  const trained = trainingOf(bundle.provenance);
  const readout = readoutOf(bundle.provenance, bundle.dimensions);
  return (
    <section>
      <h2>Where it comes from</h2>
      {trained && <p>{trained}</p>}
      {readout && <p>{readout}</p>}
      <ul className="model-sources">
        {bundle.sources.map((source) => (
          <li key={source.name}>
            <strong>{source.title}</strong>
            <span className="quiet">
              {[source.cells && `${source.cells.toLocaleString("en")} cells`, source.licence]
                .filter(Boolean)
                .join(", ")}
            </span>
            {source.citation && <p className="small">{source.citation}</p>}
          </li>
        ))}
      </ul>
      {bundle.identity && (
        <p className="small">
          sha256 <code>{bundle.identity}</code>
        </p>
      )}
      {bundle.commands.length > 0 && <pre className="model-commands">{bundle.commands.join("\n")}</pre>}
    </section>
  );
}
