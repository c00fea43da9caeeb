"""What a bundle says of itself, as people read it: laboratories by their names, and no folder of whoever packed it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLACE = re.compile(r"(?<![\w$.:/~-])/(?:[^/\s'\",;:]+/)*([^/\s'\",;:]+)/?")
"""A path from the root; not the path of an address on the web, nor one below a variable or a folder with a name."""


def masked(value: Any) -> Any:
    """A value of JSON in which of every path from the root only the last part is left, behind an ellipsis.

    A bundle's commands say how it was made. Where on whose machine is of no use to a reader, and nobody's business.
    """
    if isinstance(value, str):
        return _PLACE.sub(lambda found: f"\N{HORIZONTAL ELLIPSIS}/{found[1]}", value)
    if isinstance(value, Mapping):
        return {name: masked(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked(one) for one in value]
    return value


def laboratory(title: str) -> str:
    """Whose cells a data set holds: what stands behind the last comma of its title, else the title without brackets."""
    return title.rpartition(", ")[2].partition(" (")[0].strip() or title


def laboratories(sources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The laboratories of a manifest's sources by the short names that its figures use."""
    titles = {str(one.get("name") or ""): str(one.get("title") or one.get("name") or "") for one in sources}
    return {name: laboratory(title) for name, title in titles.items() if name}


def split_in_words(split: str, names: Mapping[str, str]) -> str:
    """How held-out cells were split, "by patient: jhu_aml; by image: pbc", with laboratories by their names.

    Some laboratories know slides and no patients, and are split by these under the same word.
    """
    said = re.sub(r"\w+", lambda found: names.get(found[0], found[0]), split)
    return re.sub(r"\bby patient\b(?=:)", "by patient or slide", said)


def figures_in_words(figures: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A manifest's figures, masked, with the split of held-out cells in words."""
    shown = masked(figures)
    held = shown.get("held_out")
    if isinstance(held, dict) and isinstance(held.get("split"), str):
        shown["held_out"] = {**held, "split": split_in_words(held["split"], laboratories(sources))}
    return shown
