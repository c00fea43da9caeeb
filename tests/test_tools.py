"""What surrounds the code says the same everywhere: versions, the checks before a commit, what runs on a tag."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    block = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKE, re.MULTILINE)
    assert block, target
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in block[1].splitlines()]


def test_the_newest_version_is_the_same_everywhere() -> None:
    (newest, *_) = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert PROJECT["tool"]["hatch"]["version"]["fallback-version"] == f"{newest}.dev0"
    assert _yaml(ROOT / "CITATION.cff")["version"] == newest
    for file in (ROOT / "deploy").rglob("*"):
        if file.is_file():
            named = re.findall(r"hemosight:(\d\S+)|VERSION=(\d\S+)", file.read_text(encoding="utf-8"))
            assert {version for pair in named for version in pair if version} <= {newest, f"{newest}.dev0"}, file


def test_a_release_has_its_notes() -> None:
    (newest, *_) = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    done = [
        subprocess.run([ROOT / "scripts" / "release-notes", version], capture_output=True, text=True, check=False)
        for version in (newest, "99.0.0")
    ]
    assert done[0].returncode == 0
    assert "- " in done[0].stdout
    assert "## " not in done[0].stdout
    assert done[1].returncode == 1
    assert "expected a section '## 99.0.0'" in done[1].stderr


def test_a_commit_is_checked_by_what_make_check_runs() -> None:
    parts = re.search(r"^check: ([\w ]+) ##", MAKE, re.MULTILINE)
    assert parts
    checks = [line for part in parts[1].split() for line in _recipe(part)]
    hooks = [hook for repo in _yaml(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}, "nothing is fetched"
    for hook in hooks:
        words = hook["entry"].replace("npm --prefix web run", "npm run").replace(" --force-exclude", "")
        assert any(words in check for check in checks), hook["entry"]


def test_the_quick_tests_leave_out_marks_that_exist() -> None:
    quick = re.search(r"^QUICK := (.*)$", MAKE, re.MULTILINE)
    assert quick
    known = {line.partition(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(quick[1].split()) - {"not", "and"} <= known


def test_files_of_tests_that_are_named_are_there() -> None:
    named = re.findall(r"tests/[\w/]+\.py", MAKE + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(named) >= 2
    assert [file for file in named if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_run_what_exists(file: Path) -> None:
    for name, job in _yaml(file)["jobs"].items():
        assert {"runs-on", "steps"} <= job.keys(), name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for target in re.findall(r"\bmake (\w+)", step.get("run", "")):
                assert re.search(rf"^{target}:", MAKE, re.MULTILINE), target
            for program in re.findall(r"^(?:\.ci|scripts)/[\w-]+", step.get("run", ""), re.MULTILINE):
                assert (ROOT / program).stat().st_mode & 0o111, program


def test_issue_forms_ask_something() -> None:
    forms = [file for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config"]
    assert len(forms) == 3
    for file in forms:
        form = _yaml(file)
        assert {"name", "description", "body"} <= form.keys()
        asked = [field for field in form["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in asked}) == len(asked)
        assert any(field.get("validations", {}).get("required") for field in asked)
