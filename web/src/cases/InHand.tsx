import { type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import { type Location, Navigate, UNSAFE_DataRouterContext, useLocation, useNavigate } from "react-router";
import { useProjectContext, useProjectState } from "../project/context";
import { Loading } from "../ui/states";
import { useUploader } from "../upload/Uploads";
import { type Before, nameOf, resolved, searchOf } from "./inHand";

/** Screens of the project as a whole, below its address. */
const WHOLE = ["/cases", "/label-sets", "/library", "/reviews", "/settings", "/validation"];

/** Shows a project's screens for the case in hand: the one in the address, which is put there where it is missing. */
export function InHand({ children }: { children: ReactNode }) {
  const { project, store } = useProjectContext();
  const phase = useProjectState((state) => state.phase);
  const cases = useProjectState((state) => state.columns.cases);
  const without = useProjectState((state) => state.withoutCase);
  const inHand = useProjectState((state) => state.case);
  const labelSet = useProjectState((state) => state.labelSet);
  const before = useRef<Before | undefined>(undefined);
  const navigate = useNavigate();
  const location = useLocation();
  const leaving = useLeaving(location);
  const { pathname, search } = location;
  const root = `/projects/${project.id}`;
  const whole = WHOLE.some((screen) => pathname === root + screen);
  const ready = phase === "ready";
  const param = new URLSearchParams(search).get("case");
  const wanted = ready ? resolved(param, { cases, without }, before.current) : inHand;

  useEffect(() => {
    if (!ready || wanted === undefined) return;
    before.current = { inHand: wanted, chosen: cases.length > 0 };
    store.useCase(wanted);
    // The address may name a cell, as links from the audit trail do: it is chosen, and the address forgets it.
    const cell = Number(new URLSearchParams(search).get("cell"));
    if (cell) store.select([cell]);
    const said = searchOf(wanted, cases);
    if (!whole && said !== search && !leaving()) navigate({ pathname, search: said }, { replace: true });
  }, [ready, wanted, cases, whole, pathname, search, navigate, store, leaving]);

  // A case that was made a moment ago may be in the address before it is in the list: the list is asked for once more.
  const lost = ready && wanted === undefined && !whole;
  const [missed, setMissed] = useState<string | null>(null);
  const doubtful = lost && param !== null && missed !== search;
  useEffect(() => {
    if (!doubtful) return;
    let open = true;
    // The first may have been under way before the case was there.
    void store
      .refresh()
      .then(() => store.refresh())
      .then(() => open && setMissed(search));
    return () => {
      open = false;
    };
  }, [doubtful, search, store]);

  // Until the cases are there nothing is in hand, and a screen would show all of them for a blink.
  if (phase === "loading" && !whole && param !== null && !before.current) return <Loading what="Opening the case" />;
  // Another label set is being loaded: what is in hand stays.
  if (!ready && labelSet !== "cell_type") return children;
  if (doubtful) return <Loading what="Looking for the case" />;
  if (lost) return <Navigate to={`${root}/cases`} replace />;
  if (ready && !whole && wanted !== inHand) return <Loading what="Opening the case" />;
  return children;
}

/** What is dropped next goes to the case in hand; what is uploaded for another case opens that one. */
export function UploadCase() {
  const { project } = useProjectContext();
  const uploader = useUploader();
  const cases = useProjectState((state) => state.columns.cases);
  const inHand = useProjectState((state) => state.case);
  const phase = useProjectState((state) => state.phase);
  const location = useLocation();
  const leaving = useLeaving(location);
  const { pathname } = location;
  const navigate = useNavigate();
  const key = inHand ? nameOf(inHand, cases) : "";
  const opened = useRef<string | null>(null);

  useEffect(() => {
    if (phase === "ready") uploader.setCase(key);
  }, [uploader, key, phase]);

  useEffect(() => {
    const follow = () => {
      const { files, running } = uploader.snapshot();
      const last = files.findLast((file) => file.state === "sending" || file.state === "added")?.case ?? null;
      if (!running || last === null || last === opened.current) return;
      const found = cases.find((one) => one.key === last);
      if (!found) return;
      opened.current = last;
      const onTable = pathname === `/projects/${project.id}`;
      if (found.id !== inHand && onTable && !leaving()) navigate(`/projects/${project.id}?case=${found.id}`);
    };
    follow();
    return uploader.subscribe(follow);
  }, [uploader, cases, inHand, pathname, navigate, project.id, leaving]);
  return null;
}

/**
 * Tells whether the user is already on the way to another screen.
 *
 * The router knows of it at the click; the screen follows once its code is loaded. News of the project that arrive
 * between the two are still shown on the old screen, which must not call its own address over the one asked for.
 * `useNavigation` tells of it only with the next rendering, which such news can overtake.
 */
function useLeaving(location: Location): () => boolean {
  const router = useContext(UNSAFE_DataRouterContext)?.router;
  return useCallback(
    () => !!router && (router.state.navigation.state !== "idle" || router.state.location.key !== location.key),
    [router, location.key],
  );
}

/** What to hang on the address of a project's screen, so that it opens on the case in hand. */
export function useCaseSearch(): string {
  const inHand = useProjectState((state) => state.case);
  const cases = useProjectState((state) => state.columns.cases);
  return searchOf(inHand, cases);
}
