"""Write the software bill of materials, CycloneDX 1.6 as JSON, from what is pinned: ``scripts/sbom.py > sbom.json``.

Of Python, every package of requirements/runtime.txt with the hashes of its files; of the page, every package of
web/package-lock.json that is built into it. Nothing is fetched.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def python_packages(text: str) -> list[dict[str, Any]]:
    """Packages of a requirements file with hashes."""
    found = []
    for block in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", block)
        if match:
            name, version = match[1].lower(), match[2]
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
            found.append(_component("pypi", name, version, [{"alg": "SHA-256", "content": one} for one in hashes]))
    return found


def page_packages(lock: dict[str, Any]) -> list[dict[str, Any]]:
    """Packages of a package-lock.json that are not for development alone."""
    found = {}
    for place, facts in lock["packages"].items():
        if not place or facts.get("dev") or facts.get("link"):
            continue
        name = facts.get("name") or place.rpartition("node_modules/")[2]
        algorithm, _, content = facts.get("integrity", "").partition("-")
        hashes = []
        if algorithm == "sha512":
            hashes = [{"alg": "SHA-512", "content": base64.b64decode(content).hex()}]
        component = _component("npm", name, facts["version"], hashes)
        if isinstance(facts.get("license"), str):
            component["licenses"] = [{"expression": facts["license"]}]
        found[component["purl"]] = component
    return list(found.values())


def _component(kind: str, name: str, version: str, hashes: list[dict[str, str]]) -> dict[str, Any]:
    purl = f"pkg:{kind}/{name.replace('@', '%40')}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "hashes": hashes}


def bill() -> dict[str, Any]:
    """The bill of materials."""
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    components = sorted([*python_packages(runtime), *page_packages(lock)], key=lambda one: one["purl"])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "hemosight", "name": "hemosight"}},
        "components": components,
        "dependencies": [{"ref": "hemosight", "dependsOn": [one["bom-ref"] for one in components]}],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(), indent=1) + "\n")
