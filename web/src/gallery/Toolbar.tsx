import { Dropdown, Form } from "react-bootstrap";
import { useProjectState } from "../project/context";
import { useTags } from "../tags/queries";
import { AddCells } from "../upload/UploadArea";
import type { Arrangement } from "./arrangement";
import { EVERYTHING, SORTS, type Sort } from "./bins";
import { FindCells } from "./FindCells";
import { Views } from "./Views";

interface Props {
  arrangement: Arrangement;
  size: number;
  setSize: (size: number) => void;
  searching: React.RefObject<HTMLInputElement | null>;
}

export const SMALLEST = 64;
export const LARGEST = 160;

/** How the table is sorted and filtered, and how large its crops are. */
export function Toolbar({ arrangement, size, setSize, searching }: Props) {
  const chosen = useProjectState((state) => state.chosen);
  const selected = useProjectState((state) => state.selection.size);
  const { filter, setFilter, sort, narrowed } = arrangement;
  const tags = useTags();
  const drawn = useProjectState((state) => state.columns.outside.includes(1)) || filter.counted !== "all";

  return (
    <div className="toolbar" role="toolbar" aria-label="Table">
      <Dropdown>
        <Dropdown.Toggle variant="link" size="sm">
          <span className="quiet">sort:</span> {SORTS[sort]}
        </Dropdown.Toggle>
        <Dropdown.Menu>
          {(Object.keys(SORTS) as Sort[]).map((name) => (
            <Dropdown.Item
              key={name}
              active={name === sort}
              disabled={name === "similar" && chosen === null && !selected}
              onClick={() => arrangement.setSort(name)}
            >
              {name === "similar" && selected > 1 ? `most like the ${selected} selected cells` : SORTS[name]}
            </Dropdown.Item>
          ))}
          <Dropdown.Divider />
          <Dropdown.Item onClick={arrangement.again}>Sort again by what is known now</Dropdown.Item>
        </Dropdown.Menu>
      </Dropdown>
      <Dropdown autoClose="outside">
        <Dropdown.Toggle variant="link" size="sm">
          {narrowed ? "filtered" : "filter"}
        </Dropdown.Toggle>
        <Dropdown.Menu className="filter-menu">
          <Form.Select
            size="sm"
            aria-label="Labelled by"
            value={filter.who}
            onChange={(e) => setFilter({ ...filter, who: e.target.value as typeof filter.who })}
          >
            <option value="all">All cells</option>
            <option value="model">Read by model only</option>
            <option value="people">Labelled by people</option>
          </Form.Select>
          {drawn && (
            <Form.Select
              size="sm"
              aria-label="Counted or not"
              value={filter.counted}
              onChange={(e) => setFilter({ ...filter, counted: e.target.value as typeof filter.counted })}
            >
              <option value="all">Counted or not</option>
              <option value="in">Cells that are counted</option>
              <option value="out">Cells outside the count</option>
            </Form.Select>
          )}
          {(tags.length > 0 || filter.tag !== null) && (
            <Form.Select
              size="sm"
              aria-label="Tag"
              value={filter.tag ?? ""}
              onChange={(e) => setFilter({ ...filter, tag: e.target.value || null })}
            >
              <option value="">Any tag or none</option>
              {filter.tag !== null && !tags.some(({ name }) => name === filter.tag) && <option>{filter.tag}</option>}
              {tags.map(({ name }) => (
                <option key={name} value={name}>
                  {`tagged ${name}`}
                </option>
              ))}
            </Form.Select>
          )}
          <Form.Label className="small mb-0" htmlFor="certainty">
            At most {Math.round(100 * filter.certainty)}% certain
          </Form.Label>
          <Form.Range
            id="certainty"
            min={20}
            max={100}
            step={5}
            value={100 * filter.certainty}
            onChange={(e) => setFilter({ ...filter, certainty: Number(e.target.value) / 100 })}
          />
          <Form.Check
            id="only-unusual"
            label="Unusual cells only"
            checked={filter.unusual}
            onChange={(e) => setFilter({ ...filter, unusual: e.target.checked })}
          />
          <Form.Check
            id="unusual-apart"
            label="Unusual cells in a bin of their own"
            checked={arrangement.unusualApart}
            onChange={(e) => arrangement.setUnusualApart(e.target.checked)}
          />
          <button type="button" className="bin-act" disabled={!narrowed} onClick={() => setFilter(EVERYTHING)}>
            show everything
          </button>
        </Dropdown.Menu>
      </Dropdown>
      <Views arrangement={arrangement} size={size} setSize={setSize} />
      <FindCells arrangement={arrangement} field={searching} />
      <span className="push" />
      <AddCells />
      <input
        type="range"
        className="form-range size-slider"
        aria-label="Size of crops"
        min={SMALLEST}
        max={LARGEST}
        step={8}
        value={size}
        onChange={(e) => setSize(Number(e.target.value))}
      />
    </div>
  );
}
