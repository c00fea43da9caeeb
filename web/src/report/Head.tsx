import type { DifferentialShown, SpecimenOfRecord } from "../api/schema";
import { when } from "../ui/time";
import { panelWords, reviewedCells } from "./differential";

/** What was counted, who looked at it and what the model had learnt: in words that hold for these very counts. */
export function Head({ differential, ofCase }: { differential: DifferentialShown; ofCase: number | null }) {
  const { total, bundle, unreviewed, taught_until, panel_titles, label_set } = differential;
  const panels = panelWords(differential);
  // In counts of a whole project the panels are of every scanner, each of which taught its own cells.
  const scanner = ofCase ? `, of ${panel_titles.length ? "the same" : "whichever"} scanner` : "";
  const reviewed = reviewedCells(differential);
  return (
    <p className="quiet">
      {total.toLocaleString("en")} leukocytes, read by {bundle}
      {taught_until !== null &&
        taught_until > 0 &&
        `, taught by ${label_set === "cell_type" ? "labels of the same scanner" : "this project's labels"}, the newest of them label record ${taught_until}`}
      {panels && `, ${taught_until ? "and" : "taught"} by what ${panels} agreed on${scanner}`}.{" "}
      {reviewed !== null &&
        `People reviewed ${reviewed.toLocaleString("en")} of ${(reviewed + unreviewed).toLocaleString("en")} cells.`}
    </p>
  );
}

/** The specimen, where something is known of it besides its case. */
export function Specimen({ specimen }: { specimen: SpecimenOfRecord }) {
  const { accession, collected_at, received_at, wbc, note } = specimen;
  const facts = [
    accession && `Accession ${accession}`,
    collected_at && `collected ${when(collected_at)}`,
    received_at && `received ${when(received_at)}`,
    wbc !== null && `leukocytes ${wbc} × 10⁹/L`,
    note,
  ].filter(Boolean);
  return facts.length ? <p className="report-specimen">{facts.join(" · ")}</p> : null;
}
