import { useMemo } from "react";
import type { ClassShown as Mark, Queue as QueueAnswer } from "../api/schema";
import { Chart } from "../charts/Chart";
import { Letter } from "../ui/marks";
import { curveFigure } from "./figure";
import { forecastWords } from "./queue";

interface LearningProps {
  answer: QueueAnswer | undefined;
  answers: ReadonlyMap<number, string | null>;
  classes: Mark[];
}

/** The curve of what labels have taught, and what is still wanted. */
export function Learning({ answer, answers, classes }: LearningProps) {
  const curve = answer?.curve;
  const forecast = answer?.forecast ?? null;
  const figure = useMemo(() => (curve?.length ? curveFigure(curve, forecast) : null), [curve, forecast]);
  const last = curve?.at(-1);
  const wanted = Object.entries(forecast?.by_class ?? {}).filter(([, count]) => count > 0);
  return (
    <section>
      <h2>What your labels have taught</h2>
      {figure && last ? (
        <Chart
          label={`Macro-F1 by number of labels; ${last.macro_f1.toFixed(3)} with ${last.labels} labels`}
          figure={figure}
          height={220}
        />
      ) : (
        <p className="quiet">The curve begins with a few labels of at least two types.</p>
      )}
      {forecast && <p>{forecastWords(forecast)}</p>}
      {wanted.length > 0 && (
        <ul className="queue-wanted" aria-label="Labels still wanted">
          {wanted.map(([name, count]) => {
            const mark = classes.find((type) => type.name === name);
            return (
              <li key={name}>
                <Letter mark={mark} /> {mark?.title ?? name} <span>{count}</span>
              </li>
            );
          })}
        </ul>
      )}
      {answers.size > 0 && (
        <p className="quiet small">
          {answers.size} {answers.size === 1 ? "cell" : "cells"} reviewed here
        </p>
      )}
    </section>
  );
}
