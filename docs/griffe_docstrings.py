"""Docstrings of this project as mkdocstrings reads them (``mkdocs.yml``, an extension of griffe).

Two habits of the code are plain reStructuredText and mean nothing in Markdown: roles (``:class:`~hemosight.Engine```),
and sentences that follow a ``Parameters`` section. Roles become code, and such sentences come before the sections.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:py:)?\w+:`~?(?:[\w.]*\.)?(\w+)`")
_SECTION = re.compile(r"[A-Z][A-Za-z ]+\n-{3,}")


def arranged(docstring: str) -> str:
    """A docstring with its roles as code and its loose sentences before its sections."""
    paragraphs = re.split(r"\n\s*\n", _ROLE.sub(r"``\1``", docstring))
    first = next((place for place, text in enumerate(paragraphs) if _SECTION.match(text)), len(paragraphs))
    inside = paragraphs[first:]
    loose = [text for text in inside if _is_loose(text)]
    return "\n\n".join([*paragraphs[:first], *loose, *(text for text in inside if text not in loose)])


def _is_loose(paragraph: str) -> bool:
    """Whether a paragraph among sections is a sentence: no section's head, no name with a description below."""
    lines = paragraph.split("\n")
    return not _SECTION.match(paragraph) and not any(line.startswith(" ") for line in lines) and " " in lines[0]


class Docstrings(griffe.Extension):
    """Arranges every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = arranged(obj.docstring.value)
