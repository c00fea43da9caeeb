"""What the service says to people: no regular expression, and a name for everything in the audit trail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hemosight.service.app import create_app
from hemosight.service.faults import ALPHABETS
from hemosight.service.settings import defaults
from hemosight.service.storage.database import Database

ROOT = Path(__file__).parents[2]


def _patterns(described: Any) -> set[str]:
    if isinstance(described, dict):
        own = {described["pattern"]} if isinstance(described.get("pattern"), str) else set[str]()
        return own.union(*(_patterns(one) for one in described.values()))
    if isinstance(described, list):
        return set[str]().union(*(_patterns(one) for one in described))
    return set()


@pytest.mark.slow
def test_every_pattern_has_words() -> None:
    """A text that does not fit is answered in words, whichever field it stands in."""
    found = _patterns(create_app(defaults(), Database("")).openapi())
    assert found >= {r"^[\w.@+-]+$"}
    assert found <= ALPHABETS.keys()


def test_every_action_of_the_audit_trail_has_words() -> None:
    """Whoever reads the trail on the page reads what was done, not what the code calls it."""
    page = (ROOT / "web/src/admin/auditWords.ts").read_text()
    worded = set(re.findall(r'^  "([a-z_]+\.[a-z_]+)": "', page, re.MULTILINE))
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "src/hemosight/service").rglob("*.py")))
    noted = set(re.findall(r'audit\.note\(\s*session,\s*[\w.]+,\s*"([a-z_]+\.[a-z_]+)"', sources))
    noted |= {f"label.{kind}" for kind in ("set", "agree", "group", "undo", "clear")}
    assert len(noted) > 40
    assert noted <= worded


def test_the_words_of_the_help_page_are_the_glossarys() -> None:
    """The page and the documentation say the same of a word; what only programmers read is left out."""
    glossary = (ROOT / "docs/reference/glossary.md").read_text().split("## Words that are not used")[0]
    meanings = {
        word: re.sub(r" \(`[^)]*\)", "", meaning).replace("`", "").replace("*", "")
        for word, meaning in re.findall(r"^\| ([^|`]+?) \| (.+?) \|$", glossary, re.MULTILINE)
    }
    text = (ROOT / "web/src/help/words.ts").read_text()
    shown = dict(re.findall(r'\[\s*"([^"]+)",\s*"([^"]+)",?\s*\]', text))
    assert len(shown) >= 25
    tabs = {"dossier", "protocol", "control chart", "reference", "run length", "flag", "panel", "search", "worklist"}
    banners = {"held back", "foreign", "adapted", "seen again", "counted cells", "unusual", "field", "tag", "view"}
    assert tabs | banners <= shown.keys(), "what the tabs and the banners over a case speak of"
    assert {word: meanings.get(word) for word in shown} == shown
