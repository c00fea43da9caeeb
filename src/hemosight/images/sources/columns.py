"""What the columns of people's tables are called."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from hemosight.blood.vocabulary import TITLES
from hemosight.errors import BadTable

_PERSONS = ("patient", "pat", "subject", "participant", "donor", "mrn", "medicalrecord", "case")
"""Whom a cell may be said to be of. A specimen or slide is no person, since several may be of one."""
_COMMONEST = ("patient", "patientid", "subject", "subjectid", "case", "caseid")
"""Of several columns these go first: beside a case's number, `donor` may be a yes or no."""
_NUMBERS = ("", "id", "no", "nr", "num", "number", "code", "key", "identifier")
ALIASES: Mapping[str, Sequence[str]] = {
    "path": re.split(
        r"\s+",
        "path filepath imagepath imgpath picturepath filename file imagefile imagefilename imgfile image img picture "
        "photo crop imagename imgname cropname name",
    ),
    "label": re.split(
        r"\s+",
        "label class celltype category classname classlabel labelname celllabel cellclass celltypename type target "
        "labels annotation choice choices",
    ),
    "patient": [*_COMMONEST, *(f"{person}{what}" for person in _PERSONS for what in _NUMBERS)],
    "official_split": ["officialsplit", "split", "set", "subset", "partition"],
    "sha256": ["sha256", "contentid"],
}
"""What a column may be called, in lower case without blanks and signs; the first that is there counts."""


def column_of(kind: str, columns: Sequence[str]) -> str | None:
    """The column of a kind of :data:`ALIASES` (``path``, ``label``, ...), by the first alias that is there."""
    return next(iter(_columns_of(kind, columns)), None)


def require_single(columns: Sequence[str], path: str | Path, others: Collection[str] = ()) -> None:
    """Raise :class:`~hemosight.errors.BadTable` where two columns differ by case, blanks or signs and mean one thing.

    Parameters
    ----------
    path
        What the table is called.
    others
        Further columns that mean something, in lower case.
    """
    several = [_columns_of(kind, columns) for kind in ALIASES]
    several += [[column for column in columns if column.strip().lower() == name] for name in sorted(others)]
    for same in several:
        if len(same) > 1:
            raise BadTable(
                expected="one column of each meaning",
                came=f"the columns {' and '.join(map(repr, same))}",
                path=path,
                mend="Delete or rename all but one of them.",
            )


def _columns_of(kind: str, columns: Sequence[str]) -> list[str]:
    """The columns that are called by the first alias that is there; several where they differ by case or blanks.

    One with further signs (``Label %``, ``Patient #``) counts where there is none without.
    """
    for signs in (r"[\s_.-]+", r"[\W_]+"):
        plain: dict[str, list[str]] = defaultdict(list)
        for column in columns:
            plain[re.sub(signs, "", column.lower())].append(column)
        if found := next((plain[alias] for alias in ALIASES[kind] if alias in plain), None):
            return found
    return []


def is_reading(columns: Sequence[str]) -> bool:
    """Whether a table is what a model read, which is no label: probabilities, of classes or with novelty or status."""
    names = {column.strip().lower() for column in columns}
    if not {"label", "probability"} <= names:
        return False
    return bool(names & {"novelty", "status"}) or len(names & set(TITLES)) > 1
