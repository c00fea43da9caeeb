import { differences, rangeWords, type SigningSpecimen } from "./signedFacts";

/** What of the specimen, its scanner and the report's settings is otherwise than it was when signing was asked for. */
export function Otherwise({ before, now }: { before: SigningSpecimen; now: SigningSpecimen }) {
  const changed = differences(before, now);
  if (!changed.length) return null;
  return (
    <div className="sign-otherwise small" role="status">
      <p>Changed since you asked to sign:</p>
      <ul>
        {changed.map(({ what, was, is }) => (
          <li key={what}>
            {what}: {was} → <strong>{is}</strong>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The reference ranges by which the report marks values, for whoever signs them. */
export function Ranges({ settings }: { settings: SigningSpecimen["settings"] }) {
  const { ranges } = settings;
  if (!ranges.length) return null;
  return (
    <details className="small quiet">
      <summary>
        Reference ranges of {ranges.length} {ranges.length === 1 ? "type" : "types"}
      </summary>
      <ul>
        {ranges.map((range) => (
          <li key={range.label}>
            {range.label}: {rangeWords(range)}
          </li>
        ))}
      </ul>
    </details>
  );
}
