import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Form } from "react-bootstrap";
import { Link } from "react-router";
import { api, body } from "../api/client";
import { names } from "../api/queries";
import type { KnownBundleShown as Known } from "../api/schema";
import { FaultLine } from "../ui/states";
import { picked, sideBySide } from "./bundles";

/** Every bundle that has read something here; one of them, or two side by side. */
export function Bundles() {
  const models = useQuery({
    queryKey: names.models,
    queryFn: async ({ signal }) => (await body(api.GET("/models", { signal }))).items,
  });
  const [chosen, setChosen] = useState<number[] | null>(null);
  if (models.isPending) return null;
  if (models.isError) return <FaultLine fault={models.error} />;
  const all = models.data;
  const first = all.find(({ loaded }) => loaded) ?? all[0];
  if (!first) return null;
  const now = chosen ?? [first.id];
  const shown = now.flatMap((id) => all.find((one) => one.id === id) ?? []);
  return (
    <section aria-label="Every bundle">
      <h2>Every bundle that has read here</h2>
      <ul className="model-bundles">
        {all.map((one) => (
          <li key={one.id}>
            <Form.Check
              id={`bundle-${one.id}`}
              label={`${one.name} ${one.version}`}
              checked={now.includes(one.id)}
              onChange={() => setChosen(picked(now, one.id))}
            />
            <span className="quiet small">
              {one.loaded ? "runs now" : "does not run now"} · <Reads bundle={one} />
            </span>
          </li>
        ))}
      </ul>
      <table className="table model-beside">
        <thead>
          <tr>
            <th scope="col">{shown.length > 1 ? "Side by side" : "Chosen"}</th>
            {shown.map((one) => (
              <th scope="col" key={one.id}>
                {one.name} {one.version}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sideBySide(shown).map(({ name, values }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {values.map((value, place) => (
                <td key={shown[place]!.id}>{value ?? <span className="quiet">not said</span>}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p className="quiet small">
        Figures are of each bundle's own held-out cells, which may differ. On your own cells{" "}
        <code>hemosight compare-bundles</code> compares two.
      </p>
    </section>
  );
}

/** Which projects a bundle reads, each a way to it. */
function Reads({ bundle }: { bundle: Known }) {
  if (!bundle.projects.length) return <>reads no project of yours</>;
  return (
    <>
      reads{" "}
      {bundle.projects.map(({ id, name }, place) => (
        <span key={id}>
          {place > 0 && ", "}
          <Link to={`/projects/${id}`}>{name}</Link>
        </span>
      ))}
    </>
  );
}
