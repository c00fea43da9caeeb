"""Known faults end the audit; a source that does not answer is said, and is neither a fault nor an all-clear."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
CLEAN = {"name": "numpy", "version": "2.4.1", "vulns": []}
FAULTY = {"name": "pillow", "version": "9.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["9.0.1"], "aliases": []}]}
SKIPPED = {"name": "typer", "skip_reason": "Dependency not found on PyPI and could not be audited: typer (0.16)"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = made
    spec.loader.exec_module(made)
    return made


def _python(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_known_fault_fails_and_names_the_version_that_mends_it(audit: ModuleType) -> None:
    verdict = audit.judge_python(_python(CLEAN, FAULTY), "Found 1 known vulnerability in 1 package")
    assert verdict.failed
    assert verdict.lines()[1:] == ["  pillow 9.0: PYSEC-1, mended in 9.0.1"]
    told = {
        "vulnerabilities": {"katex": {"severity": "high", "range": "<0.16"}},
        "metadata": {"dependencies": {"prod": 90}},
    }
    verdict = audit.judge_page(json.dumps(told), "")
    assert verdict.failed
    assert verdict.lines()[1:] == ["  katex: high, <0.16"]


def test_nothing_known_passes(audit: ModuleType) -> None:
    verdict = audit.judge_python(_python(CLEAN, SKIPPED), "No known vulnerabilities found")
    assert not verdict.failed
    assert verdict.lines() == [
        "audit: Python (requirements/runtime.txt): 0 known faults in 2 packages; 1 of them are not known there"
    ]
    told = {"vulnerabilities": {}, "metadata": {"dependencies": {"prod": 90}}}
    assert audit.judge_page(json.dumps(told), "").lines() == [
        "audit: page (web/package-lock.json): 0 known faults in 90 packages"
    ]


@pytest.mark.parametrize(
    ("judge", "out", "err"),
    [
        ("judge_python", "", "ERROR:pip_audit._cli:Connection to pypi.org timed out"),
        ("judge_python", _python(SKIPPED, SKIPPED), "No known vulnerabilities found"),
        ("judge_page", '{"statusCode": 405, "error": {"summary": ""}}', "npm error audit endpoint returned an error"),
        ("judge_page", '{"error": {"code": "ENOTFOUND"}}', "npm error request to https://registry failed"),
    ],
    ids=["nobody answers", "a mirror that knows nothing", "a registry without advisories", "no network"],
)
def test_a_source_that_does_not_answer_is_no_all_clear(audit: ModuleType, judge: str, out: str, err: str) -> None:
    verdict = getattr(audit, judge)(out, err)
    assert not verdict.failed
    (line,) = verdict.lines()
    assert "no advisory source could be reached" in line
    assert "known faults in" not in line


def test_a_tool_that_breaks_is_not_taken_for_a_network_that_is_away(audit: ModuleType) -> None:
    verdict = audit.judge_python("", "ERROR:pip_audit._cli:requirements/runtime.txt: invalid requirement on line 3")
    assert verdict.failed
    assert "invalid requirement on line 3" in verdict.lines()[0]
