"""Ask whether what is pinned has known faults: ``make audit``.

Of Python, requirements/runtime.txt by pip-audit; of the page, what web/package-lock.json builds into it by npm. Ends
with 1 where a fault is known, or where a tool fails; where no advisory source can be reached a line says so, and that
is no failure: then nothing is known, in either way.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
_AWAY = re.compile(
    r"connection|connect to|timed? ?out|name or service|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|proxy|"
    r"audit endpoint returned an error|ENOAUDIT|\b(403|404|405|407|50[0-9])\b",
    re.IGNORECASE,
)
"""What tools say where nobody answers, or somebody who has no advisories: a mirror, a proxy."""


@dataclass(frozen=True)
class Verdict:
    """What one tool found; ``asked`` is false where no advisory source answered, ``fault`` says why a tool failed."""

    what: str
    asked: bool = True
    packages: int = 0
    unknown: int = 0
    """Packages of which the source knows nothing at all: they were not looked up."""
    found: list[str] = field(default_factory=list)
    fault: str = ""

    @property
    def failed(self) -> bool:
        """Whether a release has to wait."""
        return bool(self.found or self.fault)

    def lines(self) -> list[str]:
        """For a person."""
        if self.fault:
            return [f"audit: {self.what}: the tool failed: {self.fault}"]
        if not self.asked:
            return [f"audit: {self.what}: no advisory source could be reached, so nothing is known of its faults"]
        unknown = f"; {self.unknown} of them are not known there" if self.unknown else ""
        head = f"audit: {self.what}: {len(self.found)} known faults in {self.packages} packages{unknown}"
        return [head, *(f"  {one}" for one in self.found)]


def judge_python(out: str, err: str) -> Verdict:
    """What pip-audit said (``--format json``). It ends with 1 for a fault and for a network that is away alike."""
    what = "Python (requirements/runtime.txt)"
    try:
        packages = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _without_answer(what, err)
    # A mirror without advisories knows no package: to pip-audit that is no fault, and nothing was asked.
    looked = [one for one in packages if "vulns" in one]
    found = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in looked
        for fault in one["vulns"]
    ]
    return Verdict(what, bool(looked), len(packages), len(packages) - len(looked), found)


def judge_page(out: str, err: str) -> Verdict:
    """What ``npm audit --json`` said."""
    what = "page (web/package-lock.json)"
    try:
        told = json.loads(out)
        found = [f"{name}: {facts['severity']}, {facts['range']}" for name, facts in told["vulnerabilities"].items()]
        packages = int(told["metadata"]["dependencies"]["prod"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _without_answer(what, f"{err} {out}")
    return Verdict(what, packages=packages, found=found)


def _without_answer(what: str, said: str) -> Verdict:
    if _AWAY.search(said):
        return Verdict(what, asked=False)
    return Verdict(what, asked=False, fault=" ".join(said.split())[-300:] or "it said nothing")


def _run(*command: str, folder: Path = ROOT) -> tuple[str, str]:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return "", "timed out"
    return done.stdout, done.stderr


def main() -> int:
    """Ask both, say what they found; 1 where something has to be done."""
    here = Path(sys.executable).parent / "pip-audit"
    tools = {"pip-audit": str(here) if here.exists() else shutil.which("pip-audit"), "npm": shutil.which("npm")}
    if missing := [name for name, path in tools.items() if path is None]:
        sys.stdout.write(
            f"audit: expected {' and '.join(missing)}; found none. `make dev` installs pip-audit, Node.js brings npm.\n"
        )
        return 1
    locked = ("--requirement", "requirements/runtime.txt", "--require-hashes", "--disable-pip")
    python = judge_python(*_run(str(tools["pip-audit"]), *locked, "--format=json", "--progress-spinner=off"))
    npm = _run(str(tools["npm"]), "audit", "--omit=dev", "--package-lock-only", "--json", folder=ROOT / "web")
    page = judge_page(*npm)
    sys.stdout.write("\n".join((*python.lines(), *page.lines(), "")))
    return int(python.failed or page.failed)


if __name__ == "__main__":
    sys.exit(main())
