"""What is checked before a case is signed, each check with its number: the laboratory says what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hemosight.blood.vocabulary import title
from hemosight.service.desk.foreign import CaseFamiliarity
from hemosight.service.desk.tally import Tally
from hemosight.service.storage.counting import SinceDraw
from hemosight.service.storage.signing_rules import Level, SigningRule, SigningRules


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name
        ``unreviewed``, ``unsure``, ``unusual``, ``unreadable``, ``waiting``, ``foreign``, ``too_few``, ``drawn_gone``,
        ``drawn_later`` or ``rule``.
    level
        What it asks where it is open.
    open
        Whether it found something.
    count
        Cells it found; of ``too_few`` those that were counted.
    says
        The same in words, with its number.
    measured
        Of ``rule`` its words without what the rule asks: what it looks at, and its number.
    """

    name: str
    level: Level
    open: bool
    count: int
    says: str
    measured: str = ""


@dataclass(frozen=True)
class RuleCounts:
    """What the rules of a project look at: enough of a tally to be counted for every case in one pass.

    Parameters
    ----------
    cells
        Cells of the case that count.
    counted, apart
        Cells of each type that counts among the leukocytes, and of each that stands apart.
    families
        Each type, and with it its finer ones.
    unusual, unsure
        Unreviewed cells beyond the novelty limit; cells left undecided.
    """

    cells: int
    counted: Mapping[str, int]
    apart: Mapping[str, int]
    families: Mapping[str, frozenset[str]]
    unusual: int
    unsure: int

    @classmethod
    def of(cls, count: Tally, cells: int) -> RuleCounts:
        """What a tally of a case of so many cells says."""
        counted = {share.label: share.count for share in count.after.shares}
        return cls(cells, counted, count.after.apart, count.families, count.unusual, count.unsure)


def fired(rules: Sequence[SigningRule], counts: RuleCounts) -> list[Check]:
    """The rules on numbers of the differential that are open for a case; none that is off."""
    found = [_rule(rule, counts) for rule in rules if rule.level != "off"]
    return [one for one in found if one.open]


def checks(
    count: Tally,
    familiarity: CaseFamiliarity | None,
    rules: SigningRules,
    cells: int,
    since: SinceDraw | None = None,
) -> list[Check]:
    """Every check that is not off, in the order in which a signer reads them.

    Parameters
    ----------
    count
        The case as it counts now.
    familiarity
        How well the model knows its scanner; None where the case has no read cell.
    cells
        How many cells of the case count.
    since
        What became of the case since its cells were drawn; None where all count.
    """
    found = [*_of_cells(count, rules), *_of_scanner(familiarity), _target(count, rules), *_of_draw(since, rules)]
    found += [_rule(rule, RuleCounts.of(count, cells)) for rule in rules.rules]
    return [one for one in found if one.level != "off"]


def _of_cells(count: Tally, rules: SigningRules) -> Iterator[Check]:
    numbers: Mapping[str, tuple[Level, int, str]] = {
        "unreviewed": (rules.unreviewed, count.unreviewed, "not reviewed by a person, taken as the model reads"),
        "unusual": (rules.unusual, count.unusual, "not reviewed and unusual, unlike the cells that the model knows"),
        "unsure": (rules.unsure, count.unsure, "labelled unsure, counted nowhere"),
        "unreadable": (rules.unreadable, count.unreadable, "unreadable, counted nowhere"),
        "waiting": (rules.waiting, count.waiting, "not read yet, counted nowhere"),
    }
    for name, (level, cells, words) in numbers.items():
        yield Check(name, level, cells > 0, cells, f"{_cells(cells)} {words}")


def _of_scanner(found: CaseFamiliarity | None) -> Iterator[Check]:
    if found is not None:
        words = f"{found.to_bundle} of {_cells(found.cells)} beyond what the model knows"
        state = "the case is held back until it is adapted to its scanner" if found.foreign else "not held back"
        if found.taught:
            state += f", {found.taught} {'label' if found.taught == 1 else 'labels'} of such cells"
        yield Check("foreign", "block", found.foreign, found.to_bundle, f"{words}: {state}")


def _target(count: Tally, rules: SigningRules) -> Check:
    total = count.after.total
    words = f"{total} {'leukocyte' if total == 1 else 'leukocytes'} counted, of {rules.target} to be counted"
    return Check("too_few", rules.too_few, total < rules.target, total, words)


def _of_draw(since: SinceDraw | None, rules: SigningRules) -> Iterator[Check]:
    if since is not None:
        gone, later = since
        mend = ": draw anew, or on in the order that was drawn" if gone else ""
        words = f"{_cells(gone)} drawn to be counted, in the case no more{mend}"
        yield Check("drawn_gone", rules.drawn_gone, gone > 0, gone, words)
        words = f"{_cells(later)} added since the draw, counted nowhere"
        yield Check("drawn_later", rules.drawn_later, later > 0, later, words)


def _rule(rule: SigningRule, counts: RuleCounts) -> Check:
    total = sum(counts.counted.values())
    if rule.measure == "type":
        # A rule on a type is one on its finer types as well.
        own = counts.families.get(rule.label or "", frozenset({rule.label}))
        found = sum(cells for name, cells in counts.counted.items() if name in own)
        value = found / total if total else 0.0
        what = title(rule.label or "")
    elif rule.measure == "erythroblasts":
        own = counts.families.get("erythroblast", frozenset({"erythroblast"}))
        found = sum(cells for name, cells in counts.apart.items() if name in own)
        value = 100 * found / total if total else 0.0
        measured, asked = f"Erythroblasts {value:.1f} for 100 leukocytes", f"{rule.at_least:g} or more"
        return Check("rule", rule.level, value >= rule.at_least, found, f"{measured}, rule: {asked}", measured)
    else:
        found = counts.unusual if rule.measure == "unusual" else counts.unsure
        value, what = found / counts.cells if counts.cells else 0.0, rule.measure.capitalize()
    measured, asked = f"{what} {_cells(found)}, {100 * value:.1f}%", f"{100 * rule.at_least:g}% or more"
    met = bool(found) and value >= rule.at_least
    return Check("rule", rule.level, met, found, f"{measured}, rule: {asked}", measured)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
