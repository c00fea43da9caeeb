import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Form } from "react-bootstrap";
import { api, body } from "../api/client";
import type { CellDraw, CountingChoice, NewCounting } from "../api/schema";
import { useFieldList } from "../fields/queries";
import { useProjectContext } from "../project/context";
import { FaultLine } from "../ui/states";
import { choiceWords, drawnWords, inFields, SIZES, undrawnWords } from "./counting";

interface Props {
  /** How the cells that count were drawn; null where all count. */
  counting: CellDraw | null;
  /** Drawn cells that are in the case no more, and cells that came since. */
  gone: number;
  later: number;
  /** Cells of all cases that count nowhere since others were drawn; 0 in one case, which says it by its draw. */
  outside: number;
  /** Every choice of them so far, the last of which stands. */
  choices: CountingChoice[];
  ofCase: number | null;
  may: boolean;
  /** Whether any of the counted cells has a label: drawing anew takes a reason then. */
  labelled: boolean;
}

/** Which cells of a case count: all, or a hundred and more leukocytes that nobody picked. */
export function Counted({ counting, gone, later, outside, choices, ofCase, may, labelled }: Props) {
  const [asking, setAsking] = useState(false);
  if (!counting && !choices.length && !outside && !(may && ofCase)) return null;
  const all = outside ? undrawnWords(outside) : "Every cell of the case counts.";
  return (
    <section className="report-counted" aria-label="Which cells are counted">
      <p className="small quiet">
        {counting ? drawnWords(counting, gone, later) : all}{" "}
        {may && ofCase && !asking && (
          <button type="button" className="bin-act" onClick={() => setAsking(true)}>
            {counting ? "draw anew…" : "count 100, 200 or 400…"}
          </button>
        )}
      </p>
      {choices.length > 0 && (
        <details className="small quiet">
          <summary>chosen {choices.length === 1 ? "once" : `${choices.length.toLocaleString("en")} times`}</summary>
          <ol>
            {choices.map((choice, at) => (
              <li key={`${at} ${choice.at}`}>{choiceWords(choice)}</li>
            ))}
          </ol>
        </details>
      )}
      {asking && ofCase && (
        <Drawing ofCase={ofCase} counting={counting} labelled={labelled} close={() => setAsking(false)} />
      )}
    </section>
  );
}

type Order = NonNullable<NewCounting["method"]> | "same" | "all";

function Drawing(props: { ofCase: number; counting: CellDraw | null; labelled: boolean; close: () => void }) {
  const { ofCase, counting, labelled, close } = props;
  const { project } = useProjectContext();
  const queries = useQueryClient();
  const fields = useFieldList(ofCase).data ?? [];
  const [size, setSize] = useState<number>(counting?.target_leukocytes ?? 200);
  const [order, setOrder] = useState<Order>("random");
  const [reason, setReason] = useState("");
  const draw = useMutation({
    mutationFn: () =>
      body(
        api.PUT("/projects/{project}/cases/{case}/counting", {
          params: { path: { project: project.id, case: ofCase } },
          body: {
            leukocytes: order === "all" ? null : (size as NewCounting["leukocytes"]),
            method: order === "battlement" ? order : "random",
            same_order: order === "same",
            reason: reason.trim(),
          },
        }),
      ),
    onSuccess: async () => {
      close();
      await queries.invalidateQueries({ queryKey: ["projects", project.id] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    draw.mutate();
  };
  const asks = labelled && (counting !== null || order !== "all");
  return (
    <Form className="report-drawing" onSubmit={submit}>
      <Form.Select
        size="sm"
        aria-label="How they are drawn"
        value={order}
        onChange={(e) => setOrder(e.target.value as Order)}
      >
        <option value="random">single cells at random</option>
        {inFields(fields) && <option value="battlement">field after field (battlement)</option>}
        {counting && <option value="same">on in the order that was drawn</option>}
        {counting && <option value="all">all cells count again</option>}
      </Form.Select>
      {order !== "all" && (
        <Form.Select
          size="sm"
          aria-label="Leukocytes to be met"
          value={size}
          onChange={(e) => setSize(Number(e.target.value))}
        >
          {SIZES.map((one) => (
            <option key={one} value={one}>
              {one} leukocytes
            </option>
          ))}
        </Form.Select>
      )}
      {counting && (
        <Form.Control
          size="sm"
          aria-label="Why they are drawn anew"
          placeholder={asks ? "why they are drawn anew" : "why (cells are not labelled yet)"}
          required={asks}
          maxLength={2000}
          value={reason}
          onChange={(e) => setReason(e.target.value)}
        />
      )}
      <Button size="sm" type="submit" variant="outline-primary" disabled={draw.isPending}>
        {order === "all" ? "Count all" : "Draw"}
      </Button>
      <Button size="sm" variant="link" onClick={close}>
        Leave it
      </Button>
      <FaultLine fault={draw.error} />
    </Form>
  );
}
