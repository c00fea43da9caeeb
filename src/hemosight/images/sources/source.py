"""What a public data set is, and what a reader does: the two records that every module of this folder fills in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

Record = dict[str, Any]
"""One row of a catalog before its file has been read: ``path`` and whatever the layout tells."""


_COPIED = (
    r"(?:[ _-]*(?:copy|data(?:set)?|main|master|subset|sample|resized|\(\d+\)"
    r"|v?(?!(?:19|20)\d\d(?!\d))\d+(?:[.x]\d+)*(?![\d.x])))*"  # a year is a laboratory's own
)
"""What archives, browsers and people put behind a data set's name: LMU_AML (1), PBC_dataset_normal_DIB_224x224."""


def homes(*names: str) -> re.Pattern[str]:
    """A pattern of the folders that are called like a data set (each a regular expression) or a copy of it."""
    return re.compile(rf"(?:{'|'.join(names)}){_COPIED}", re.IGNORECASE)


@dataclass(frozen=True)
class RemoteFile:
    """One file that a publisher offers by a plain link.

    ``sha256`` is None where the publisher states none: the first download then records what it got, and every
    later one must agree with it.
    """

    url: str
    name: str
    sha256: str | None = None
    archive: bool = False


@dataclass(frozen=True)
class Source:
    """A public data set: what it is, under which terms, where it comes from, and how much of it there is.

    Parameters
    ----------
    name
        The short name used by the command line and in the catalog's ``source`` column.
    place
        What a sentence calls it: whose cells they are.
    folder
        Where it lies in a folder of data sets.
    counts
        Files of the full set, by label (finest type where it is not counted); empty where they are not known.
    distinct
        Distinct files of the full set, where copies are known.
    scale
        Factor that brings its pixels to the reference scale, when none is asked for.
    red_cell_px
        Median width of its red cells, pixels, where it was measured; 77 at the reference scale.
    files
        What to download; empty where the publisher offers no plain link (``by_hand`` then says why).
    """

    name: str
    title: str
    licence: str
    citation: str
    page: str
    folder: str
    counts: Mapping[str, int] = field(default_factory=dict)
    distinct: int | None = None
    scale: float = 1.0
    red_cell_px: float | None = None
    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""
    note: str = ""
    place: str = ""

    @property
    def total(self) -> int:
        """Files of the full set."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class SourceLayout:
    """How one layout of folders becomes rows.

    ``recognises`` judges paths relative to a folder, without touching the disk; ``records`` turns the folder and
    the absolute paths of its images into rows. For a public set that lies in no folder of its publisher's name
    (``homes``), ``numbered`` says of one folder's images whether they are numbered as published, ``evident`` of all
    such folders' together whether an analyzer's own names and numbers are ruled out; ``lacking`` words what then lacks.
    """

    kind: str
    layout: str
    recognises: Callable[[Sequence[PurePath]], bool]
    records: Callable[[Path, Sequence[Path]], list[Record]]
    source: Source | None = field(default=None)
    homes: re.Pattern[str] | None = None
    numbered: Callable[[Sequence[PurePath]], bool] = bool
    evident: Callable[[Sequence[PurePath]], bool] = bool
    lacking: str = "not numbered as published"
    names_patients: bool = False
    """Whether the files' names carry the patient, whatever folders lie above."""
