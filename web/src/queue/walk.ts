/** The walk through the cells that are asked about: what the service gives next, and where a person stands in it. */

import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { api, body } from "../api/client";
import { useProjectContext, useProjectState } from "../project/context";
import { useStaled } from "../project/staled";
import { answered, extended, renewed, START, type Strategy, skipped, step as stepped, unlabelled } from "./queue";

/** Cells asked for at once; more are asked for before they run out. */
const AHEAD = 24;
const RENEW_AFTER = 8;
/** While a scanner is new, nearly every answer changes what is worth asking. */
const RENEW_ADAPTING = 2;

/** A walk of one case and label set, by a strategy that can be changed: that begins it anew. */
export function useWalk(first: Strategy) {
  const { project, store } = useProjectContext();
  const labelSet = useProjectState((state) => state.labelSet);
  const inHand = useProjectState((state) => state.case);
  const [strategy, setStrategy] = useState(first);
  const [walk, setWalk] = useState(START);
  /** Rounds of questions, and where the walk was at the last one: an answer tells nothing of what was skipped after it. */
  const [round, setRound] = useState({ count: 0, at: 0 });
  const ask = useCallback((at: number) => setRound(({ count }) => ({ count: count + 1, at })), []);

  const name = ["projects", project.id, "next", labelSet, inHand, strategy, round.count];
  const answer = useQuery({
    queryKey: name,
    queryFn: ({ signal }) =>
      body(
        api.GET("/projects/{project}/next", {
          params: {
            path: { project: project.id },
            query: { label_set: labelSet, case: inHand ?? undefined, strategy, n: AHEAD, skip: skipped(walk) },
          },
          signal,
        }),
      ),
    placeholderData: (before) => before,
    staleTime: Number.POSITIVE_INFINITY,
    // Rounds are counted from 0 on each visit: an answer kept from the last one would ask what was labelled since.
    gcTime: 0,
  });

  const fresh = answer.isPlaceholderData ? undefined : answer.data?.items;
  const [taken, setTaken] = useState<typeof fresh>(undefined);
  useEffect(() => {
    if (!fresh) return;
    // Labels given since the question was asked may be among the answers.
    const open = unlabelled(fresh, store.snapshot().columns);
    setWalk((now) => (now.items.length ? renewed(now, open) : extended(now, open)));
    setTaken(fresh);
  }, [fresh, store]);

  const current = walk.items[walk.at];
  // What was skipped is asked of nobody: the end is where an answer that left it all out has nothing more.
  const answerTaken = fresh !== undefined && taken === fresh;
  const ended = answerTaken && round.at === walk.at;
  useEffect(() => {
    if (!current && answerTaken && !ended) ask(walk.at);
  }, [current, answerTaken, ended, walk.at, ask]);
  // Cells may come, be read or lose their labels behind the end. The words stay until the answer has some.
  useStaled("queue", name, true, !!current || !ended);

  const restart = (chosen: Strategy) => {
    setStrategy(chosen);
    setWalk(START);
    ask(0);
  };
  /** One cell back, or on without an answer. */
  const step = useCallback((by: 1 | -1) => setWalk((now) => stepped(now, by)), []);
  const give = useCallback(
    (label: string | null) => {
      if (!current) return;
      void store.label([current.image], label);
      setWalk((now) => {
        const after = answered(now, label);
        // An answer changes what is worth asking next.
        const often = strategy === "adapt" ? RENEW_ADAPTING : RENEW_AFTER;
        if (after.answers.size % often === 0 || after.at >= after.items.length) ask(after.at);
        return after;
      });
    },
    [current, store, strategy, ask],
  );
  return { walk, current, ended, answer, strategy, restart, step, give };
}
