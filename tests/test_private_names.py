"""Tests use what a module gives away, and nothing that begins with an underscore: so that it can be written anew."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
_OWN = {"self", "cls"}
_GIVEN = {"_replace", "_asdict", "_fields"}
"""What a named tuple gives away in spite of its underscore."""


_PERHAPS = re.compile(
    r"(?<!\bself)(?<!\bcls)\s*\._(?!_)"  # an attribute, or a module on the way to one
    r"|[\"'](?:\w+\.)*_(?!_)[\w.]*[\"']|[\"'][\w.]+\._(?!_)"  # named in a text
    r"|import\s*\([^)]*\b_(?!_)|import\b(?:[^\n\\]|\\\n)*\b_(?!_)"  # imported
)
"""Anything that looks like a private name from elsewhere, in prose as well."""


def private(code: str) -> list[str]:
    """Private names that a module of tests takes from elsewhere, with their lines."""
    if not _PERHAPS.search(code):
        return []  # parsing everything takes a second
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in _OWN):
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "hemosight":
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found += [(node.lineno, name) for name in names]
        elif isinstance(node, ast.Call) and _called(node) in {"setattr", "getattr", "delattr", "patch"}:
            given = [one.value for one in node.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            found += [(node.lineno, name.rpartition(".")[2]) for name in given if re.fullmatch(r"[\w.]+", name)]
    return [f"{line}: {name}" for line, name in found if re.match(r"_(?!_)", name) and name not in _GIVEN]


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_no_private_name_is_touched() -> None:
    found = {str(file.relative_to(TESTS)): private(file.read_text(encoding="utf-8")) for file in TESTS.rglob("*.py")}
    assert len(found) > 200
    assert {file: names for file, names in found.items() if names} == {}, "give it a public name, or test through one"


def test_a_private_name_is_found() -> None:
    code = """
from hemosight.engine import backends, _inner
import hemosight.engine.backends as others

class Own:
    def held(self) -> int:
        return self._held

def test_it(monkeypatch, state):
    backends._has()
    others.__name__
    state._last
    monkeypatch.setattr(backends, "_has", 1)
    monkeypatch.setattr("hemosight.engine.backends._has", 1)
    monkeypatch.setattr(backends, "has", "_text")
    usage._replace(free=1)
"""
    assert sorted(private(code)) == ["10: _has", "12: _last", "13: _has", "14: _has", "2: _inner"]


@pytest.mark.parametrize(
    "code",
    [
        "from hemosight.engine import (\n    backends,\n    _inner,\n)",
        "from hemosight.engine import backends, \\\n    _inner",
        "from hemosight._engine import backends",
        "self.state._last",
        "state[0]._last",
        "state()\\\n    ._last",
        "(state\n    ._last)",
        'setattr(backends, "_has", 1)',
        "monkeypatch.setattr('hemosight.engine.backends._has', 1)",
        'getattr(\n    backends,\n    "_has",\n)',
    ],
)
def test_a_private_name_is_found_however_it_is_written(code: str) -> None:
    assert len(private(code)) == 1
