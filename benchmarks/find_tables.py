"""Tables of found boxes beside known ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from find_fields import Known
from scipy.stats import beta

from hemosight.scoring.boxes import Box, judge

Pairs = Sequence[tuple[list[Box], Known]]
"""What was found in each field."""


def table(rows: Iterable[tuple[str, Pairs]]) -> None:
    """Figures of each set of fields."""
    print("| fields | cells | found | recall | precision | F1 | centred | mean IoU | counts: bias, limits |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, pairs in rows:
        j = judge([(found, field.boxes) for found, field in pairs])
        print(
            f"| {name}, {j.fields} | {j.known} | {j.found} | {j.recall:.3f} | {j.precision:.3f} | {j.f1:.3f} | "
            f"{j.centred} of {j.met} | {j.iou:.2f} | {j.bias:+.2f}, {j.low:+.2f} to {j.high:+.2f} |",
            flush=True,
        )


def intervals(rows: Iterable[tuple[str, Pairs]], draws: int = 2000) -> None:
    """95% intervals: of recall, precision and centring exact (Clopper and Pearson), of F1 over fields drawn again."""
    print("| fields | recall | precision | F1 | centred |")
    print("|---|---|---|---|---|")
    for name, pairs in rows:
        each = [judge([(found, field.boxes)]) for found, field in pairs]
        met, known, found, centred = (
            np.array([getattr(one, what) for one in each]) for what in ("met", "known", "found", "centred")
        )
        again = np.random.default_rng(0).integers(0, len(each), (draws, len(each)))
        f1 = 2 * met[again].sum(axis=1) / np.maximum(known[again].sum(axis=1) + found[again].sum(axis=1), 1)
        low, high = np.quantile(f1, [0.025, 0.975])
        exact = [_exact(met.sum(), known.sum()), _exact(met.sum(), found.sum()), _exact(centred.sum(), met.sum())]
        recall, precision, middle = (f"{one:.3f} to {other:.3f}" for one, other in exact)
        print(f"| {name}, {len(each)} | {recall} | {precision} | {low:.3f} to {high:.3f} | {middle} |", flush=True)


def _exact(count: int, total: int) -> tuple[float, float]:
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    return low, float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
