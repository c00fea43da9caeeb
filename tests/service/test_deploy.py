"""What lies in deploy/ fits the program: well-formed, commands that exist, settings that exist. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hemosight.service.settings import PREFIX, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.rglob("*.yaml"))
COMMANDS = {"serve", "worker"}


def documents(file: Path) -> list[Any]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


@pytest.mark.parametrize("file", [*FILES, DEPLOY / "Containerfile"], ids=lambda file: file.name)
def test_every_setting_named_is_one(file: Path) -> None:
    # In compose, ${...} are the person's own variables; those of the program are keys or names.
    text = re.sub(r"\$\{.*?\}", "", file.read_text(encoding="utf-8"))
    named = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_manifests_are_well_formed(file: Path) -> None:
    found = documents(file)
    assert found
    if file.parent.name == "kubernetes":
        assert all({"apiVersion", "kind", "metadata"} <= document.keys() for document in found)
    for node in _nodes(found):
        told = node.get("args") or (node.get("command") if "image" in node else None)
        if told:
            assert told[0] in COMMANDS


def test_kubernetes_selectors_find_their_pods() -> None:
    found = [document for file in FILES if file.parent.name == "kubernetes" for document in documents(file)]
    pods = [
        document["spec"]["template"]["metadata"]["labels"] for document in found if document["kind"] == "Deployment"
    ]
    for document in found:
        spec = document.get("spec", {})
        wanted = spec.get("selector", {}).get("matchLabels") or (
            spec.get("selector") if document["kind"] == "Service" else None
        )
        if wanted:
            assert sum(wanted.items() <= labels.items() for labels in pods) == 1
    assert len(pods) == 2


def test_no_secret_is_written_down() -> None:
    for file in FILES:
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.search(r"password:? *[^$]|:[^/@\s]+@", line, re.I) and not line.lstrip().startswith("#"):
                assert re.search(r"\$\{HEMOSIGHT_DB_PASSWORD|CHOOSE-A-PASSWORD", line), line
