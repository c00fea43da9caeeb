import { useId } from "react";
import { useDesk } from "../project/context";
import { useUploader, useUploads } from "./Uploads";
import { LONGEST_CASE } from "./uploader";

/** Whose cells are dropped or chosen next: the key of a specimen or patient, or nothing. */
export function CaseField() {
  const uploader = useUploader();
  const { caseKey } = useUploads();
  const cases = useDesk((desk) => desk.columns.cases);
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
    </div>
  );
}
