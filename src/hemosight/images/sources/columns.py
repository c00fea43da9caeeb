"""What the columns of people's tables are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hemosight.blood.vocabulary import TITLES

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
    "patient": ["patient", "patientid", "subject", "subjectid", "case", "caseid"],
    "official_split": ["officialsplit", "split", "set", "subset", "partition"],
}
"""What a column may be called, in lower case without blanks and signs; the first that is there counts."""


def column_of(kind: str, columns: Sequence[str]) -> str | None:
    """The column of a ``path``, ``label``, ``patient`` or ``official_split``, or the first alias that is there."""
    plain = {re.sub(r"[\W_]+", "", column.lower()): column for column in reversed(columns)}
    return next((plain[alias] for alias in ALIASES[kind] if alias in plain), None)


def is_reading(columns: Sequence[str]) -> bool:
    """Whether a table is what a model read, which is no label: probabilities, of classes or with novelty or status."""
    names = {column.strip().lower() for column in columns}
    if not {"label", "probability"} <= names:
        return False
    return bool(names & {"novelty", "status"}) or len(names & set(TITLES)) > 1
