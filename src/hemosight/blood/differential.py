"""The differential: how many of each type, and what share of the leukocytes that is, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hemosight.blood.counting import APART, Counting, TypeRule, rule_of
from hemosight.blood.intervals import wilson
from hemosight.blood.palette import ordered
from hemosight.blood.vocabulary import CELL_TYPE, Level, parent_of

__all__ = ["APART", "Differential", "Share", "differential"]


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
        What is no leukocyte: erythroblasts, platelets and their finer types, and what no differential counts (smudge
        cells, artefacts), unless rules say otherwise; empty where the label set is not the cell type.
    excluded
        What counts nowhere, by the rules of a laboratory.
    parents
        Of finer types in ``apart`` the type above, where it stands apart as well.
    """

    total: int
    shares: tuple[Share, ...]
    apart: dict[str, int]
    excluded: dict[str, int] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)

    def per_100(self, name: str) -> float | None:
        """Cells of a type that stands apart, its finer ones with it, for every 100 leukocytes.

        None where there are none of either, and of platelets: crops of white cells say nothing of how many there are.
        """
        if "platelet" in (name, parent_of(name), self.parents.get(name)):
            return None
        own = [cells for one, cells in self.apart.items() if name in (one, self.parents.get(one))]
        return 100 * sum(own) / self.total if own and self.total else None

    @property
    def erythroblasts_per_100(self) -> float | None:
        """Nucleated red cells for every 100 leukocytes (ICSH's NRBC/100 WBC); None where there is no leukocyte."""
        return self.per_100("erythroblast")


def differential(
    labels: Iterable[str],
    types: Iterable[str] = (),
    label_set: str = CELL_TYPE,
    level: Level = Level.SUBTYPE,
    rules: Mapping[str, TypeRule] | None = None,
) -> Differential:
    """Count labels, one a read cell.

    Parameters
    ----------
    types
        Types to list even if no cell has them.
    label_set
        Erythroblasts, platelets and what is not counted stand apart for ``cell_type`` alone.
    level
        How finely types are listed: as they are given, or finer types with the one that they belong to.
    rules
        Where a laboratory's types stand and how they count; the vocabulary's for those that are not named.
    """
    given = dict(rules or {})

    def rule(name: str) -> TypeRule:
        if name not in given:
            given[name] = rule_of(name) if label_set == CELL_TYPE else TypeRule()
        return given[name]

    counts = Counter(listed_as(label, level, rule(label), rule) for label in labels)
    names = _listed({*(listed_as(name, level, rule(name), rule) for name in types), *counts}, rule)
    by = {kind: [name for name in names if rule(name).counts is kind] for kind in Counting}
    total = sum(counts[name] for name in by[Counting.IN])
    shares = tuple(Share(name, counts[name], *_share(counts[name], total)) for name in by[Counting.IN])
    apart, excluded = ({name: counts[name] for name in by[kind]} for kind in (Counting.APART, Counting.EXCLUDED))
    above = {name: rule(name).parent for name in apart}
    parents = {name: one for name, one in above.items() if one is not None and rule(one).counts is Counting.APART}
    return Differential(total, shares, apart, excluded, parents)


def listed_as(name: str, level: Level, own: TypeRule, rule: Callable[[str], TypeRule]) -> str:
    """What a type is listed as at a level: itself, or the type above it where both count alike."""
    if level is Level.TYPE and own.parent is not None and rule(own.parent).counts is own.counts:
        return own.parent
    return name


def _listed(names: set[str], rule: Callable[[str], TypeRule]) -> list[str]:
    """Names in the order of :func:`~hemosight.blood.palette.ordered`, a laboratory's finer types behind their own."""
    found: list[str] = []
    for name in ordered(names):
        parent = rule(name).parent
        if parent not in names:
            found.append(name)
            found += [child for child in ordered(names) if rule(child).parent == name]
    return found


def _share(count: int, total: int) -> tuple[float, float, float]:
    return (count / total if total else 0.0), *wilson(count, total)
