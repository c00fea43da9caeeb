"""Adding, renaming, merging and retiring the classes of a label set; nothing is ever taken away."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase, digits
from typing import Any

from hemosight.blood import colours
from hemosight.blood.colours import Ink
from hemosight.blood.counting import OFFERED, Counting, proposed, rule_of
from hemosight.blood.vocabulary import CELL_TYPE, named, title
from hemosight.service.errors import NothingThere, Refusal, already_there
from hemosight.service.storage import class_facts
from hemosight.service.storage.class_facts import ClassRow

RESERVED = frozenset("H")
"""Keys that mean something else at the desk: H folds the heat map in and out."""
MOST_CLASSES = 100


@dataclass(frozen=True)
class NewClass:
    """A class to add; what is None is chosen: by the vocabulary where it knows the class, else a free one.

    ``name`` is what programs and records call it, ``title`` what people read.
    """

    title: str
    name: str | None = None
    key: str | None = None
    ink: Ink | None = None
    counts: str | None = None
    parent: str | None = None


def offered(classes: Sequence[ClassRow]) -> list[dict[str, Any]]:
    """Cell types of the vocabulary that a laboratory has not taken up, each as it would be added now."""
    there = {facts["name"] for facts in classes}
    ink = colours.free(_inks(classes), 1)[0]
    return [_made(classes, NewClass(title(name), name, ink=ink), CELL_TYPE) for name in OFFERED if name not in there]


def added(classes: Sequence[ClassRow], given: NewClass, label_set: str) -> list[dict[str, Any]]:
    """Classes with a new one behind them.

    Raises :class:`~hemosight.service.errors.Refusal` for a name or title in use and
    :class:`~hemosight.service.errors.Refusal` for a key or colour of another class and a parent that is none.
    """
    if len(classes) >= MOST_CLASSES:
        raise Refusal(
            "unfit", expected=f"at most {MOST_CLASSES} classes", came="one more", mend="Retired ones count as well."
        )
    made = _made(classes, given, label_set)
    _require_own(classes, made, label_set)
    return [*map(dict, classes), made]


def changed(
    classes: Sequence[ClassRow], name: str, changes: Mapping[str, Any], label_set: str, fixed: Collection[str]
) -> list[dict[str, Any]]:
    """Classes with one of them changed.

    Parameters
    ----------
    changes
        Any of ``title``, ``key``, ``light``, ``dark``, ``counts``, ``parent``, ``retired``, ``merged_into``.
    fixed
        Classes that the bundle reads: they can be renamed and counted otherwise, not moved, retired nor merged.

    Raises :class:`~hemosight.service.errors.NothingThere` for an unknown class and
    :class:`~hemosight.service.errors.Refusal` for what does not fit.
    """
    if name not in {facts["name"] for facts in classes}:
        raise NothingThere(kind="a class of this label set")
    ends = changes.get("retired") or changes.get("merged_into")
    if name in fixed and (ends or "parent" in changes):
        raise Refusal(
            "in_the_way",
            expected="a class that the laboratory added",
            came=f"{name!r}, which the model reads",
            mend="Let it count as excluded instead, or rename it.",
        )
    children = [one for one, rule in class_facts.rules(classes, label_set).items() if rule.parent == name]
    living = set(class_facts.in_use(classes)).intersection(children)
    if living and (ends or changes.get("parent")):
        raise Refusal(
            "in_the_way",
            expected="a class without finer ones",
            came=f"one above {', '.join(sorted(living))}",
            mend="Put those under another class first.",
        )
    if (into := changes.get("merged_into")) is not None and into not in set(class_facts.in_use(classes)) - {name}:
        raise Refusal(
            "unfit",
            expected="another class that is in use",
            came=repr(into),
            mend="Choose the class that these cells are to be counted as.",
        )
    others = [dict(facts) for facts in classes if facts["name"] != name]
    now = {**next(facts for facts in classes if facts["name"] == name), **changes}
    if not now.get("retired") and not now.get("merged_into"):
        taken = _keys(others)
        if "key" not in changes and now["key"] in taken:  # given to another class while it was away
            now["key"] = _free_key(now["title"], taken)
        _require_own(others, now, label_set)
    return [now if facts["name"] == name else dict(facts) for facts in classes]


def free_keys(classes: Sequence[ClassRow]) -> list[str]:
    """Letters and digits that no class in use has."""
    return _free_keys(_keys(classes))


def name_of(text: str, classes: Sequence[ClassRow] = ()) -> str:
    """What programs call a class that people call ``text``: the vocabulary's name, else small letters and digits."""
    known = named(text)
    if known is not None and known not in {facts["name"] for facts in classes}:
        return known
    return re.sub(r"[^\w]+", "_", text.casefold()).strip("_") or text


# --- steps ----------------------------------------------------------------------------------------------------


def _made(classes: Sequence[ClassRow], given: NewClass, label_set: str) -> dict[str, Any]:
    name = given.name or name_of(given.title, classes)
    of_types = label_set == CELL_TYPE
    ink = given.ink or colours.free(_inks(classes), 1)[0]
    usual = proposed(name) if of_types else Counting.IN
    parent = given.parent if given.parent is not None else rule_of(name).parent if of_types else None
    there = set(class_facts.in_use(classes))
    if of_types and usual is Counting.IN and parent in there:
        usual = class_facts.rules(classes, label_set)[parent].counts  # a kind of erythroblast is no leukocyte
    return {
        "name": name,
        "title": given.title,
        "key": given.key or _free_key(given.title, _keys(classes)),
        "light": ink.light,
        "dark": ink.dark,
        "counts": given.counts or usual.value,
        # The vocabulary's parent may not be one of this set's classes; one that somebody names has to be.
        "parent": parent if given.parent is not None or parent in there else None,
    }


def _require_own(others: Sequence[ClassRow], made: ClassRow, label_set: str) -> None:
    """Name, title, key and colour are no other class's; the parent is a class at the top of the tree."""
    if made["name"] in {facts["name"] for facts in others}:
        raise already_there("a name of a class of this label set")
    living = [facts for facts in others if not facts.get("retired") and not facts.get("merged_into")]
    if (same := _who(living, lambda facts: facts["title"].casefold() == made["title"].casefold())) is not None:
        raise Refusal(
            "already_there",
            expected="a name that no other type has",
            came=f"{made['title']!r}, the name of {same!r}",
            mend="Choose another name, or use that type.",
        )
    if (same := _who(living, lambda facts: facts["key"] == made["key"])) is not None or made["key"] in RESERVED:
        raise Refusal(
            "already_there",
            expected="a key that no other type has",
            came=f"{made['key']}, the key of {same or 'the heat map'}",
            mend=f"Choose another one; free are {' '.join(_free_keys(_keys(living)))}.",
        )
    for side in ("light", "dark"):
        if (same := _who(living, lambda facts, side=side: _alike(facts[side], made[side]))) is not None:
            raise Refusal(
                "already_there",
                expected="a colour that no other type has",
                came=f"{made[side]}, which looks like that of {same}",
                mend="Choose another one, or leave it away: a free one is given.",
            )
    rules = class_facts.rules([*others, made], label_set)
    if (parent := made.get("parent")) is None:
        return
    if parent not in {facts["name"] for facts in living} or rules[parent].parent is not None:
        raise Refusal(
            "unfit",
            expected="a type above it that is in use and no finer type itself",
            came=repr(parent),
            mend="Choose one of the upper types, or none.",
        )


def _who(classes: Iterable[ClassRow], fits: Any) -> str | None:
    return next((str(facts["title"]) for facts in classes if fits(facts)), None)


def _alike(one: str, other: str) -> bool:
    return colours.distance(one, other) < colours.ALIKE


def _inks(classes: Sequence[ClassRow]) -> list[Ink]:
    return [Ink(facts["light"], facts["dark"]) for facts in classes]


def _keys(classes: Sequence[ClassRow]) -> set[str]:
    return {facts["key"] for facts in classes if not facts.get("retired") and not facts.get("merged_into")}


def _free_keys(taken: Collection[str]) -> list[str]:
    return [letter for letter in (*ascii_uppercase, *digits) if letter not in taken and letter not in RESERVED]


def _free_key(text: str, taken: Collection[str]) -> str:
    """Its own first letter that is free, any that is, or a number from 10 on, which no keyboard has."""
    free = _free_keys(taken)
    own = next((letter for letter in text.upper() if letter in free), None)
    number = next(str(n) for n in range(10, 10 + MOST_CLASSES + 1) if str(n) not in taken)
    return own or (free[0] if free else number)
