"""The differential: how many of each type, and what share of the leukocytes that is, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from hemosight.sheet.palette import ordered
from hemosight.space.labels import CELL_TYPE

APART = ("erythroblast", "platelet")
"""Types that a differential counts beside the leukocytes, not among them."""
_Z = 1.959963984540054
"""The 97.5 % point of the standard normal."""


@dataclass(frozen=True)
class Share:
    """One type's cells and their share of all that are counted with it, with its 95 % Wilson interval."""

    label: str
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Differential:
    """Counts of one case.

    Parameters
    ----------
    total
        The cells that shares are shares of: leukocytes where types are counted, all cells otherwise.
    shares
        One row a type, those that did not occur included.
    apart
        Cells counted beside the leukocytes; empty where the label set is not the cell type.
    """

    total: int
    shares: tuple[Share, ...]
    apart: dict[str, int]

    @property
    def erythroblasts_per_100(self) -> float | None:
        """Nucleated red cells for every 100 leukocytes (ICSH's NRBC/100 WBC); None where there is no leukocyte."""
        return 100 * self.apart["erythroblast"] / self.total if "erythroblast" in self.apart and self.total else None


def differential(labels: Iterable[str], types: Iterable[str] = (), label_set: str = CELL_TYPE) -> Differential:
    """Count labels, one a read cell.

    Parameters
    ----------
    types
        Types to list even if no cell has them.
    label_set
        Erythroblasts and platelets stand apart for ``cell_type`` alone.
    """
    counts = Counter(labels)
    names = ordered({*types, *counts})
    beside = APART if label_set == CELL_TYPE else ()
    among = [name for name in names if name not in beside]
    total = sum(counts[name] for name in among)
    shares = tuple(Share(name, counts[name], *_share(counts[name], total)) for name in among)
    return Differential(total, shares, {name: counts[name] for name in names if name in beside})


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); (0, 1) where nothing was counted."""
    if not total:
        return 0.0, 1.0
    p, z2 = count / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    # At the two ends the formula gives the bound exactly, rounding does not.
    return (0.0 if not count else middle - half), (1.0 if count == total else middle + half)


def _share(count: int, total: int) -> tuple[float, float, float]:
    return (count / total if total else 0.0), *wilson(count, total)
