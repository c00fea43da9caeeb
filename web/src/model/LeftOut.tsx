import type { ModelShown } from "../api/schema";
import { type LeftOut as Figures, type Interval, leftOutOf } from "./facts";

const percent = (share: number) => `${Math.round(100 * share)}%`;
const between = ({ value, low, high }: Interval) => (
  <>
    {percent(value)}{" "}
    <span className="quiet">
      {percent(low)} to {percent(high)}
    </span>
  </>
);

/** How a laboratory is read that an encoder of the same making never met: what to expect of one's own at first. */
export function LeftOut({ model }: { model: ModelShown }) {
  const found = leftOutOf(model);
  if (!found.length) return null;
  return (
    <section aria-label="Laboratories it never met">
      <h2>In a laboratory that it never met</h2>
      <p className="quiet small">
        Each laboratory in turn was kept from training and support, then read untouched; intervals are by patient or
        slide. A laboratory that is new to the model has to give labels of its own: until then expect no more.
      </p>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Laboratory</th>
            <th scope="col">Cells</th>
            <th scope="col">Read right</th>
            <th scope="col">Blasts found</th>
            <th scope="col">Other cells called blast</th>
            <th scope="col">Patients with a blast found</th>
          </tr>
        </thead>
        <tbody>
          {found.map(({ name, figures }) => (
            <Row key={name} name={name} figures={figures} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ name, figures: { cells, patients, accuracy, blasts } }: { name: string; figures: Figures }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        {cells.toLocaleString("en")}{" "}
        <span className="quiet">of {patients.toLocaleString("en")} patients or slides</span>
      </td>
      <td>{between(accuracy)}</td>
      <td>{blasts ? between(blasts.found) : "none there"}</td>
      <td>{blasts ? between(blasts.false) : ""}</td>
      <td>{blasts && `${blasts.patients_found} of ${blasts.patients}`}</td>
    </tr>
  );
}
