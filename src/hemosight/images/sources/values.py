"""Labels as people write them: one class for names that differ by case or width, no class for what means nothing.

What a name means is never guessed: synonyms are named and kept apart, for their owner to join.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from hemosight.blood.vocabulary import TITLES
from hemosight.images.sources.analyzer import Reading, meaning
from hemosight.images.sources.munich import CODES
from hemosight.images.sources.source import Record

Say = Callable[[str], None]
"""Called with a sentence for whatever was done with the labels."""

_NOTHING = frozenset(("", "na", "n/a", "<na>", "nan", "nat", "none", "null", "nil", "_unread", "_unlabelled"))
_NOTHING_SAID = re.compile(
    r"n\.\s?[ad]\.?|[-\u2013\u2014._ ]+|(?:un|not )label+ed"
    r"|#(?:n/a|value!|ref!|name\?|div/0!|null!|num!|spill!|calc!)"  # what a spreadsheet could not compute
)
_UNSURE = re.compile(r"\(?\?+\)?|_?unsure|not sure|uncertain")
_NOBODY = frozenset(
    (
        *("unknown", "unk", "unk.", "not known", "not given", "not stated", "not available", "missing"),
        *("unbekannt", "inconnu", "desconocido", "sconosciuto", "onbekend"),
        *("pending", "tbd", "to be determined", "to follow", "withheld", "redacted", "blinded"),
        *("anonymous", "anon", "anon.", "anonymized", "anonymised", "anonym", "deidentified", "de-identified"),
    )
)
_DOUBT = re.compile(r"^\(?\?+\)?|\(?\?+\)?$")
"""Before or after a name: a person's doubt."""
_BAND = "band_neutrophil"
"""The one finer type that differentials set beside the type above it: more bands than usual are a finding."""
_SHOWN = 5
"""Words of doubt that a sentence names."""
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
"""Signs without width that come along when text is copied."""


def plain(value: str) -> str:
    """A word to be compared: small, in signs of common width, without blanks around it."""
    return unicodedata.normalize("NFKC", value).strip().lower()


def without_label(value: str | None) -> bool:
    """Whether a value stands for no label: empty, NA, NaN, None, null, a dash."""
    if value is None:
        return True
    said = plain(value)
    return said in _NOTHING or _NOTHING_SAID.fullmatch(said) is not None


def nobody(value: str | None) -> bool:
    """Whether a value names no patient: what is no label (:func:`without_label`), ``?``, ``unknown``, ``anonymous``."""
    if value is None or without_label(value):
        return True
    said = plain(value)
    return said in _NOBODY or said.strip("?() ") in _NOBODY or _UNSURE.fullmatch(said) is not None


def settle(rows: Sequence[Record], say: Say | None = None) -> None:
    """Bring the labels (and finer types) of rows to one spelling each, in place.

    Blanks around a name go; names that differ by case, width or blanks are one class, in HemoSight's spelling where it
    has one, else in the commonest; empty values, NA, NaN and None are no label, and ``?`` is unsure, which is none
    either; so is a name with a question mark (``?blast``), where it is a known name or another row's without it.
    ``say`` is called with what was joined and what may mean the same.
    """
    tell = say or (lambda _: None)
    unsure = Counter[str]()
    for column in ("label", "subtype"):
        spelled: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            value = row.get(column)
            if value is None:
                continue
            value = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", str(value))).split())
            if _UNSURE.fullmatch(plain(value)):
                unsure["?"] += column == "label"
                row[column] = None
            elif without_label(value):
                row[column] = None
            else:
                row[column] = value
                spelled[_same(value)][value] += 1
        doubted = {key: _DOUBT.sub("", key).strip() for key in spelled if _DOUBT.search(key)}
        for key, name in doubted.items():
            spellings = spelled[key]
            if not name or (name not in spelled and _meaning(name) is None):
                tell(f"{next(iter(spellings))!r} is kept as a class of its own; unsure is written as '?'")
                continue
            unsure.update(spellings if column == "label" else {})
            del spelled[key]
        for row in rows:
            if row.get(column) is not None and _same(row[column]) not in spelled:
                row[column] = None
        chosen = {key: _chosen(key, spellings) for key, spellings in spelled.items()}
        for row in rows:
            if row.get(column) is not None:
                row[column] = chosen[_same(row[column])]
        for key, spellings in spelled.items():
            if len(spellings) > 1:
                named = " and ".join(f"{name!r} ({number:,})" for name, number in spellings.items())
                tell(f"{named} are one class: {chosen[key]}")
        if column == "label":
            _propose(list(chosen.values()), tell)
    unsure = +unsure
    if unsure:
        words = ", ".join(repr(word) for word in list(unsure)[:_SHOWN]) + (", ..." if len(unsure) > _SHOWN else "")
        tell(f"{unsure.total():,} unsure ({words}), which count as without a label")


def _same(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _chosen(key: str, spellings: Counter[str]) -> str:
    if len(spellings) > 1 and key in TITLES:
        return key
    return max(spellings, key=lambda name: spellings[name])


def _meaning(name: str) -> Reading | None:
    return meaning(name) or CODES.get(name.upper().strip())


def _propose(names: Sequence[str], tell: Say) -> None:
    """Name the classes that the vocabulary takes for one."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        label, finer = _meaning(name) or (None, None)
        if label is not None:
            groups[_BAND if finer == _BAND else label].append(name)
    for meant, members in groups.items():
        strangers = [name for name in members if name.lower() != meant]
        if len(members) > 1:
            named = " and ".join(repr(name) for name in members)
            tell(f"{named} are kept apart; if they are one class ({meant}), give them one name")
        elif strangers:
            tell(f"{strangers[0]!r} is kept as it is; HemoSight's own name for it would be {meant}")
