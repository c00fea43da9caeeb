"""The threat model's table of attacks is that of the tests, and every attack says who, what and how it is held."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def _script() -> Any:
    import sys

    spec = importlib.util.spec_from_file_location("make_threats", ROOT / "docs" / "reference" / "make_threats.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["make_threats"] = made  # a dataclass looks for its module
    spec.loader.exec_module(made)
    return made


make: Any = _script()


def test_the_page_is_up_to_date() -> None:
    assert make.PAGE.read_text(encoding="utf-8") == make.page(), "run: python docs/reference/make_threats.py"


def test_every_attack_says_all() -> None:
    found = list(make.attacks())
    assert len(found) > 20
    assert all(one.who and one.what and one.held for one in found)


def test_the_policy_names_the_threat_model() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "docs/reference/threats.md" in policy
