"""The bill of materials names what is installed and what is built into the page, with checksums."""

from __future__ import annotations

import importlib.util
import json
import re
from importlib.metadata import requires
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def _bill() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "scripts" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.bill()


def test_every_pinned_package_is_named_with_its_checksums() -> None:
    bill = json.loads(json.dumps(_bill()))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    named = {one["purl"] for one in bill["components"]}
    assert named >= {f"pkg:pypi/{name.lower()}@{version}" for name, version in pinned}
    assert all(one["hashes"] for one in bill["components"]), "each can be checked"
    assert len(named) == len(bill["components"])


def test_what_is_required_is_in_it_and_what_only_tests_need_is_not() -> None:
    names = {one["name"] for one in _bill()["components"]}
    wanted = [
        re.split(r"[ <>=!~;\[]", line)[0].lower() for line in requires("hemosight") or () if "extra ==" not in line
    ]
    assert set(wanted) <= names
    assert {"react", "vega"} <= names
    assert not names & {"pytest", "vite", "typescript", "torch"}
