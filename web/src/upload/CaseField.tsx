import { useId } from "react";
import { useProfiles } from "../profiles/profiles";
import { useProjectState } from "../project/context";
import { useUploader, useUploads } from "./Uploads";
import { LONGEST_CASE } from "./uploader";

/** Whose cells are dropped or chosen next: the key of a specimen or patient, or nothing; and how deep their samples are. */
export function CaseField() {
  const uploader = useUploader();
  const { caseKey, bits } = useUploads();
  const cases = useProjectState((state) => state.columns.cases);
  const id = useId();
  return (
    <div className="case-field">
      <label htmlFor={id}>for case</label>
      <input
        id={id}
        className="form-control form-control-sm"
        list={`${id}-known`}
        placeholder="specimen or patient"
        maxLength={LONGEST_CASE}
        autoComplete="off"
        spellCheck={false}
        value={caseKey}
        onChange={(event) => uploader.setCase(event.target.value)}
      />
      <datalist id={`${id}-known`}>
        {cases.map(({ id, key }) => (
          <option key={id} value={key} />
        ))}
      </datalist>
      {caseKey.trim() && !cases.some(({ key }) => key === caseKey.trim()) && <ScannerField />}
      <label htmlFor={`${id}-bits`} title="Bits that hold the values of 16-bit files, where the files do not say">
        bits
      </label>
      <input
        id={`${id}-bits`}
        className="form-control form-control-sm case-bits"
        type="number"
        min={1}
        max={32}
        placeholder="–"
        value={bits ?? ""}
        onChange={(event) => {
          const given = Math.round(event.target.valueAsNumber);
          uploader.setBits(given >= 1 && given <= 32 ? given : null);
        }}
      />
    </div>
  );
}

/** Which scanner a new case came from, where the project has several; else the desk proposes one by likeness. */
function ScannerField() {
  const uploader = useUploader();
  const { profile } = useUploads();
  const scanners = useProfiles(null).data?.items ?? [];
  if (scanners.length < 2) return null;
  return (
    <select
      className="form-select form-select-sm"
      aria-label="Scanner of the new case"
      value={profile ?? ""}
      onChange={(event) => uploader.setProfile(Number(event.target.value) || null)}
    >
      <option value="">scanner: by likeness</option>
      {scanners.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
