import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Button, Form, Modal } from "react-bootstrap";
import { api, body } from "../api/client";
import { names } from "../api/queries";
import type {
  CheckShown,
  DifferentialShown,
  ProjectShown,
  SignatureShown,
  SigningShown,
  UserShown,
} from "../api/schema";
import { useFindings, useFindingsSaving } from "../findings/queries";
import { ForeignBanner } from "../foreign/Banner";
import { useFamiliarity } from "../foreign/familiarity";
import { Amend, Withdraw } from "../signing/Amend";
import { FaultLine } from "../ui/states";
import { CheckList } from "./Checks";
import { Given } from "./Given";
import { Specimen } from "./Head";
import { MakeCase } from "./MakeCase";
import { Otherwise, Ranges } from "./SpecimenChanges";
import { profileWords, type SigningSpecimen } from "./signedFacts";
import { type Showing, type Version, wantsSecond } from "./versions";

interface Props {
  project: ProjectShown;
  chosen: number | null;
  /** What is signed, as a heading says it. */
  heading: string;
  /** The counts as they are now. */
  live: DifferentialShown;
  signing: SigningShown | undefined;
  all: Version[];
  showing: Showing;
  show: (wanted: Showing) => void;
  /** Whether the cells are of several cases, which are never signed together. */
  several: boolean;
  user: UserShown;
  /** Whether the remark on the page is another one than the stored, and stays so when its field is left. */
  unstored: boolean;
  /** Id of the signed record whose cells, remark and grades are on the page; null while none is. */
  onPage: number | null;
  /** Whether the signed record that is shown could not be loaded. */
  away: boolean;
  onSigned: () => void;
  /** Called when the form is gone after signing: the focus that was in it needs another place. */
  onGone: () => void;
}

/** Who signed what, every version of it, and signing: what is open is said before, and asked once more. */
export function SignOff(props: Props) {
  const { project, chosen, signing, all, showing, show, several, user } = props;
  const foreign = useFamiliarity(chosen)?.foreign ?? false;
  const may = project.role !== "viewer" && !project.archived;
  const second = wantsSecond(all, user.id);
  const newest = all[0];
  return (
    <section className="sign">
      <h2>Signatures</h2>
      {all.map((one) => (
        <Given key={one.version} one={one} project={project.id} showing={showing} show={show} />
      ))}
      {!all.length && <p className="quiet">Not signed.</p>}
      {!may ? null : !chosen ? (
        several ? (
          <p className="quiet">These are cells of several cases. Choose a case to sign it.</p>
        ) : (
          <MakeCase project={project.id} />
        )
      ) : signing === undefined ? null : signing.locked ? (
        <>
          {second === "other" && <p className="quiet">Another person must sign second.</p>}
          {second === "wanted" &&
            (showing === newest!.version ? (
              <Sign
                key={chosen}
                {...props}
                signing={signing}
                as="second"
                seen={newest!.first.differential}
                record={newest!.first.id}
              />
            ) : (
              <ShowIt what={`version ${newest!.version}`} why="to sign it second." show={() => show(newest!.version)} />
            ))}
          <Amend ofCase={chosen} name={props.heading} className="sign-amend" />
        </>
      ) : foreign ? (
        <ForeignBanner chosen={chosen} />
      ) : showing === "now" ? (
        <>
          <Sign key={chosen} {...props} signing={signing} as="first" seen={props.live} />
          {signing.amendment && <Withdraw ofCase={chosen} />}
        </>
      ) : (
        <ShowIt what="the counts as they are now" why="to sign them." show={() => show("now")} />
      )}
    </section>
  );
}

function ShowIt({ what, why, show }: { what: string; why: string; show: () => void }) {
  return (
    <p>
      <button type="button" className="bin-act" onClick={show}>
        show {what}
      </button>{" "}
      <span className="quiet">{why}</span>
    </p>
  );
}

interface SignProps extends Props {
  signing: SigningShown;
  as: SignatureShown["role"];
  /** The counts that are on the screen: these are signed, or nothing. */
  seen: DifferentialShown;
  /** Of a second signature: the first one, whose record is on the screen. */
  record?: number | null;
}

/** What the signer was shown when asking to sign: this is signed, or nothing. */
interface Asked {
  counts: DifferentialShown;
  /** Version of the report's remark and grades; null under a record, which has its own. */
  findings: number | null;
  /** Specimen, scanner and report settings; null under a record, which has its own. */
  facts: SigningSpecimen | null;
  record: number | null;
}

const open = (checks: CheckShown[], level: CheckShown["level"]) =>
  checks.filter((check) => check.open && check.level === level);

function Sign({
  project,
  chosen,
  heading,
  signing,
  all,
  user,
  unstored,
  onPage,
  away,
  onSigned,
  onGone,
  as: role,
  seen,
  record = null,
}: SignProps) {
  const [note, setNote] = useState("");
  const [initials, setInitials] = useState("");
  const [password, setPassword] = useState("");
  const [asked, setAsked] = useState<Asked | null>(null);
  /** What was on the screen when signing was tried: where it was refused, the page says what is otherwise now. */
  const [tried, setTried] = useState<SigningSpecimen | null>(null);
  const queries = useQueryClient();
  /** Sign was pressed while the findings were being stored: pressing it leaves the remark's field, which stores it. */
  const [wanted, setWanted] = useState(false);
  const signed = useRef(false);
  const gone = useRef(onGone);
  gone.current = onGone;
  // Once the dialog has let go of the focus as well.
  useEffect(() => () => void (signed.current && queueMicrotask(gone.current)), []);
  // The report's remark and grades are signed as they are on this page, or not at all.
  const findings = useFindings(chosen);
  const saving = useFindingsSaving(chosen);
  const first = role === "first";
  const storing = first && saving === "pending";
  const blocked = first && unstored;
  // The second signer signs the cells, the remark and the grades of the record, and not its counts alone.
  const unseen = !first && onPage !== record;
  // Where they could not be loaded anew, what the page has of them may be old, or never stored.
  const version = first ? (findings.isError ? undefined : findings.data?.version) : null;
  // The record of the first signer has its own checks; the second one signs them as they were.
  const checks = role === "second" ? (all[0]?.first.checks ?? []) : signing.checks;
  const blocks = role === "second" ? [] : open(checks, "block");
  const reasons = role === "second" ? [] : open(checks, "reason");
  const seconds = role === "second" ? [] : open(checks, "second");
  const sign = useMutation({
    mutationFn: ({ counts, findings, facts, record }: Asked) =>
      body(
        api.POST("/projects/{project}/signatures", {
          params: { path: { project: project.id } },
          body: {
            role,
            case: chosen,
            note: note.trim(),
            digest: counts.digest,
            level: counts.level,
            initials: initials.trim(),
            password: password || null,
            findings,
            facts: facts?.facts ?? null,
            countersigns: record,
          },
        }),
      ),
    onSuccess: () => {
      setNote("");
      signed.current = true;
      onSigned();
    },
    onError: (_, { facts }) => {
      setTried(facts);
      void queries.invalidateQueries({ queryKey: names.signing(project.id, true) });
    },
    onSettled: () => {
      setPassword("");
      setAsked(null);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    sign.reset();
    if (blocked || unseen) return;
    if (storing) setWanted(true);
    else if (version !== undefined)
      setAsked({ counts: seen, findings: version, facts: first ? signing : null, record });
  };
  useEffect(() => {
    if (!wanted || storing) return;
    setWanted(false);
    // What was refused is not on the report: the form says so, and the signer looks again.
    if (saving !== "error" && !blocked && version !== undefined)
      setAsked({ counts: seen, findings: version, facts: first ? signing : null, record });
  }, [wanted, storing, blocked, saving, version, seen, first, signing, record]);
  const confirm = (event: FormEvent) => {
    event.preventDefault();
    if (asked) sign.mutate(asked);
  };
  const name = user.display || user.name;
  const waits = unseen
    ? `The signed record ${away ? "could not" : "has yet to"} be loaded; the second signature waits for it.`
    : version === undefined
      ? `The remark and grades ${findings.isError ? "could not" : "have yet to"} be loaded.`
      : blocked
        ? "It can be signed once your remark is stored."
        : storing && "The remark and grades are being stored; signing waits for them.";
  const said = (some: CheckShown[]) => some.map(({ says }) => says).join("; ");
  return (
    <>
      <Form onSubmit={submit}>
        {blocks.length > 0 && <p className="sign-blocks">It cannot be signed yet: {said(blocks)}.</p>}
        {reasons.length > 0 && (
          <p className="sign-blocks">{said(reasons)}. Decide on them first, or say below why you sign all the same.</p>
        )}
        {seconds.length > 0 && <p className="sign-blocks">{said(seconds)}: a second signature will be wanted.</p>}
        <Form.Group controlId="sign-note">
          <Form.Label>{reasons.length ? "Why you sign all the same" : "Note (optional)"}</Form.Label>
          <Form.Control
            as="textarea"
            rows={2}
            maxLength={500}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        </Form.Group>
        <Button
          type="submit"
          disabled={
            sign.isPending ||
            blocked ||
            unseen ||
            blocks.length > 0 ||
            (reasons.length > 0 && !note.trim()) ||
            version === undefined
          }
        >
          Sign{first ? "" : " second"} as {name}
        </Button>
        {waits && (
          <p className="sign-waits small quiet" role="status">
            {waits}{" "}
            {first && findings.isError && (
              <button
                type="button"
                className="bin-act"
                disabled={findings.isFetching}
                onClick={() => findings.refetch()}
              >
                try again
              </button>
            )}
          </p>
        )}
        <FaultLine fault={sign.error} />
        {sign.error && tried && <Otherwise before={tried} now={signing} />}
      </Form>
      <Modal show={asked !== null} onHide={() => setAsked(null)} centered aria-labelledby="sign-question">
        <Form onSubmit={confirm}>
          <Modal.Header closeButton>
            <Modal.Title as="h2" id="sign-question">
              Sign {heading}
              {role === "second" ? " second" : ""}?
            </Modal.Title>
          </Modal.Header>
          {asked && (
            <Modal.Body>
              {asked.facts && <Specimen specimen={asked.facts.specimen} />}
              {asked.facts && <p className="quiet small">{profileWords(asked.facts.profile)}</p>}
              <p>{asked.counts.total.toLocaleString("en")} leukocytes counted.</p>
              {asked.facts && <Ranges settings={asked.facts.settings} />}
              <CheckList checks={checks} />
              {signing.confirm === "initials" && (
                <Form.Group controlId="sign-initials">
                  <Form.Label>Your initials</Form.Label>
                  <Form.Control
                    required
                    autoFocus
                    maxLength={20}
                    autoComplete="off"
                    value={initials}
                    onChange={(event) => setInitials(event.target.value)}
                  />
                </Form.Group>
              )}
              {signing.confirm === "password" && (
                <Form.Group controlId="sign-password">
                  <Form.Label>Your password</Form.Label>
                  <Form.Control
                    type="password"
                    required
                    autoFocus
                    autoComplete="current-password"
                    value={password}
                    onChange={(event) => setPassword(event.target.value)}
                  />
                </Form.Group>
              )}
              <p className="quiet small mt-2 mb-0">
                {role === "second"
                  ? "You sign the record that the first signer signed, with its cells."
                  : "Counts, cells and checks are stored as they are now. The case is locked then; changing it is an amendment, with a reason."}
              </p>
            </Modal.Body>
          )}
          <Modal.Footer>
            <Button variant="outline-secondary" onClick={() => setAsked(null)}>
              Not yet
            </Button>
            <Button type="submit" disabled={sign.isPending}>
              Sign these counts
            </Button>
          </Modal.Footer>
        </Form>
      </Modal>
    </>
  );
}
