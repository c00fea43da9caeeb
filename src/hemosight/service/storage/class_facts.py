"""What a label set's table holds of its classes, and what follows from it: which are in use, and what labels mean now.

A class is never taken away: label records name it. It may be retired (offered and read no more; labels stand) or merged
into another one (its labels mean that one from then on; the records stay as they are).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hemosight.blood.counting import Counting, TypeRule, rule_of
from hemosight.blood.vocabulary import CELL_TYPE

ClassRow = Mapping[str, Any]


def rules(classes: Sequence[ClassRow], label_set: str) -> dict[str, TypeRule]:
    """Where each class stands and how it counts; the vocabulary's rule where a laboratory gave none."""
    names = {facts["name"] for facts in classes}
    found: dict[str, TypeRule] = {}
    for facts in classes:
        name = facts["name"]
        usual = rule_of(name) if label_set == CELL_TYPE else TypeRule()
        parent = facts.get("parent", usual.parent)
        counts = Counting(facts["counts"]) if "counts" in facts else usual.counts
        found[name] = TypeRule(parent if parent in names else None, counts)
    return found


def merges(classes: Sequence[ClassRow]) -> dict[str, str]:
    """Merged class -> the class that its labels mean now, however often that was merged in turn."""
    into = {facts["name"]: facts["merged_into"] for facts in classes if facts.get("merged_into")}

    def end(name: str) -> str:
        return end(into[name]) if name in into else name

    return {name: end(name) for name in into}


def retired(classes: Sequence[ClassRow]) -> frozenset[str]:
    """Classes that are offered and read no more."""
    return frozenset(facts["name"] for facts in classes if facts.get("retired"))


def in_use(classes: Sequence[ClassRow]) -> list[str]:
    """Classes that a cell can be labelled with, in order."""
    return [facts["name"] for facts in classes if not facts.get("retired") and not facts.get("merged_into")]


def family(classes: Sequence[ClassRow], label_set: str, name: str) -> frozenset[str]:
    """A class, its finer ones, and what was merged into any of them."""
    own = {name} | {one for one, rule in rules(classes, label_set).items() if rule.parent == name}
    return frozenset(own | {one for one, into in merges(classes).items() if into in own})


def shown(classes: Sequence[ClassRow], label_set: str) -> list[dict[str, Any]]:
    """Classes with every fact told, whether a laboratory gave it or it follows from the vocabulary."""
    known = rules(classes, label_set)
    return [
        {
            **facts,
            "counts": known[facts["name"]].counts.value,
            "parent": known[facts["name"]].parent,
            "retired": bool(facts.get("retired")),
            "merged_into": facts.get("merged_into"),
        }
        for facts in classes
    ]
