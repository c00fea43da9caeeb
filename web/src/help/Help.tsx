import { KEY_CARD } from "../gallery/keys";
import { useReference } from "../landscape/reference";
import { Letter } from "../ui/marks";
import "./help.scss";

const TOUR: { title: string; text: string }[] = [
  {
    title: "Upload",
    text: "Drop a folder of cell crops, or a zip, onto a project. Cells are read while you look at the first.",
  },
  {
    title: "Review",
    text: "Cells lie in a bin for each type, the least certain first. Press a type's letter to relabel what is selected, Enter to agree. A crop without a frame was read by the model; a frame is a person's word.",
  },
  {
    title: "Others follow",
    text: "After each label the model reads the rest again. A quiet line says which cells moved; undo takes it back. What a person labelled never moves by itself.",
  },
  {
    title: "Landscape",
    text: "Cells that look alike lie together, yours among the reference. Draw a line around some to select them here and in the gallery.",
  },
  {
    title: "Next to review",
    text: "One cell at a time, those first from which the model learns most, with the learning curve beside it.",
  },
  {
    title: "Label sets",
    text: "Ask a question of your own, such as vacuoles or no vacuoles, with a few examples; all cells are read by it at once.",
  },
  {
    title: "Report",
    text: "The differential before and after review, with intervals. Sign it, print it on one page, export it.",
  },
];

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

/** Where else to look: the keys, a short tour, and what this is not for. */
export default function Help() {
  // The types' own letters, from the model in use.
  const types = useReference().data?.classes.cell_type ?? [];
  return (
    <div className="sheet help">
      <h1>Help</h1>
      <p>
        <a href="#keys">All keys</a>
      </p>
      <p className="help-notice">
        HemoSight is for research. It is not a medical device and not for primary diagnosis: a person who is qualified
        to do so looks at every smear.
      </p>
      <section>
        <h2>From crops to a signed differential</h2>
        <ol className="help-tour">
          {TOUR.map(({ title, text }) => (
            <li key={title}>
              <strong>{title}</strong>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      </section>
      <section id="keys">
        <h2>Keys</h2>
        <div className="help-keys">
          {types.length > 0 && (
            <div>
              <h3>Types</h3>
              <dl>
                {types.map((mark) => (
                  <div key={mark.name}>
                    <dt>
                      <Letter mark={mark} />
                    </dt>
                    <dd>{mark.title}</dd>
                  </div>
                ))}
              </dl>
            </div>
          )}
          <Keys title="Gallery" keys={KEY_CARD} />
          <div>
            <Keys title="Landscape" keys={MAP_KEYS} />
            <Keys title="Next to review" keys={QUEUE_KEYS} />
          </div>
        </div>
      </section>
    </div>
  );
}

function Keys({ title, keys }: { title: string; keys: [string, string][] }) {
  return (
    <div>
      <h3>{title}</h3>
      <dl>
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd className="key">{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
