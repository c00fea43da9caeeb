"""How much the cells of a case look like those of each scanner profile.

A cell is like a profile where it lies as near to one of the profile's other cells as nine in ten of those lie to one
another. The share of such cells in a case is its likeness to the profile.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.snapshot import Snapshot
from hemosight.space.neighbours import nearest

LEAST = 20
"""Cells that a profile, and a case, need before likeness says anything."""
SAMPLE = 1000
"""Cells of a profile that a case is compared with, evenly chosen."""
NEAR = 0.9
"""Share of a profile's cells that lie as near to another of them."""
PROPOSED, AHEAD = 0.75, 0.15
"""Likeness from which a profile is proposed, and by how much it must be more alike than the case's own. Of 60 cells of
a laboratory 0.80 to 0.98 are like 200 others of it, 0 to 0.67 like those of another (docs/how-to/review.md)."""


def of_case(snapshot: Snapshot, case: int) -> dict[int, float | None]:
    """Likeness of a case to each profile that has cells; None where either has too few."""
    own = np.flatnonzero(snapshot.read & snapshot.of_case(case))
    found: dict[int, float | None] = {}
    for profile in np.unique(snapshot.profile).tolist():
        others = np.flatnonzero(snapshot.read & (snapshot.profile == profile) & ~snapshot.of_case(case))
        enough = len(own) >= LEAST and len(others) >= LEAST
        found[profile] = _likeness(snapshot, own, others) if enough else None
    return found


def proposed(likeness: dict[int, float | None], now: int) -> int | None:
    """The profile that a case of profile ``now`` is more like; None where there is none."""
    alike = {profile: share for profile, share in likeness.items() if share is not None and profile != now}
    best = max(alike, key=lambda profile: alike[profile], default=None)
    if best is None or alike[best] < PROPOSED or alike[best] < (likeness.get(now) or 0.0) + AHEAD:
        return None
    return best


def _likeness(snapshot: Snapshot, own: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    if len(others) > SAMPLE:
        others = others[np.linspace(0, len(others) - 1, SAMPLE).astype(np.int64)]
    known = snapshot.vectors[snapshot.rows[others]]
    _, among = nearest(known, known, 1, exclude_self=True)
    _, far = nearest(snapshot.vectors[snapshot.rows[own]], known, 1)
    return float((far[:, 0] <= np.quantile(among[:, 0], NEAR)).mean())
