import { useMutation } from "@tanstack/react-query";
import { api } from "../api/client";
import { save } from "../api/download";
import type { SignatureShown } from "../api/schema";
import { FaultLine } from "../ui/states";
import { when } from "../ui/time";
import { panelWords } from "./differential";
import { Forms } from "./Send";
import type { Showing, Version } from "./versions";

/** A version of the record with its signatures, and the ways to see it and to take it away. */
export function Given({
  one: { version, first, second },
  project,
  showing,
  show,
}: {
  one: Version;
  project: number;
  showing: Showing;
  show: (wanted: Showing) => void;
}) {
  const { differential, taught_until } = first;
  const panels = panelWords(differential);
  const until = (label: number | null) => (label ? `label record ${label}` : "no label");
  const take = useMutation({
    mutationFn: async (format: "json" | "csv") => {
      const params = { path: { project, signature: first.id }, query: { format } };
      const answer = await api.POST("/projects/{project}/signatures/{signature}/export", { params, parseAs: "blob" });
      save(answer.data as unknown as Blob, `hemosight-record-${first.id}.${format}`);
    },
  });
  return (
    // biome-ignore lint/a11y/useSemanticElements: no fieldset: there is nothing to fill in
    <div
      role="group"
      aria-label={`Version ${version}`}
      className={`sign-given${first.current ? "" : " sign-past"}`}
      data-version={version}
    >
      <p>
        <span className="quiet">Version {version}</span>
        {first.reason && <> amends: “{first.reason}”</>}
      </p>
      <Signer signature={first} />
      {second && <Signer signature={second} />}
      {!second && first.second_wanted && first.current && <p className="sign-open">Second signature wanted.</p>}
      <p className="quiet small">
        {differential.bundle}, reviewed up to {until(first.reviewed_until)}
        {taught_until !== null && `, taught up to ${until(taught_until)}`}
        {panels && ` and by ${panels}`}
        {first.fingerprint && (
          <>
            , record <span title={`SHA-256 ${first.fingerprint}`}>{first.fingerprint.slice(0, 8)}</span>
          </>
        )}
      </p>
      <p className="sign-acts small">
        {showing === version ? (
          <span className="quiet">shown</span>
        ) : (
          <button type="button" className="bin-act" onClick={() => show(version)}>
            show
          </button>
        )}
        <Forms project={project} signature={first.id} />
        <button type="button" className="bin-act" onClick={() => take.mutate("json")}>
          record (JSON)
        </button>
        <button type="button" className="bin-act" onClick={() => take.mutate("csv")}>
          cells (CSV)
        </button>
      </p>
      <FaultLine fault={take.error} />
    </div>
  );
}

function Signer({ signature }: { signature: SignatureShown }) {
  return (
    <p>
      <strong>{signature.name}</strong>
      {signature.initials && ` (${signature.initials})`}
      {signature.role === "second" && <span className="quiet"> second signer</span>}
      <br />
      {when(signature.at)}
      {signature.confirmed === "password" && <span className="quiet">, with password</span>}
      {signature.note && (
        <>
          <br />“{signature.note}”
        </>
      )}
    </p>
  );
}
