"""Random kills of six kinds: what is killed when follows from a seed, and a hundred of them are proven run by run.

``KILLS_SEED`` repeats what is killed when (not how far each process is by then), ``KILLS_EACH`` makes more or fewer of
each kind. As a program, ``python tests/kills.py build/kills.tsv`` (``make kills``), it runs the tests with a new seed
each time until the ledger, a row for each kind and run whose invariants were proven, holds a hundred kills; stopped, it
goes on from there. A run that fails is no row: its seed is printed, and the program ends with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

SEED = int(os.environ.get("KILLS_SEED", str(int.from_bytes(os.urandom(4)))))
WORK = ("server", "worker", "database", "backup")
"""What is killed while people work."""
RUNS = {
    "tests/service/storage/test_embedded_first_start.py": (("first start",), 16, 8),
    "tests/service/storage/test_embedded_upgrade.py": (("upgrade",), 16, 8),
    "tests/acceptance/test_kills.py": (WORK, 17, 4),
}
"""Files with a test of ``random kills``: the kinds each kills, how many of each make a hundred together, and how many
of each a run has.
"""
_LEDGER = "KILLS_LEDGER"


def each(kills: int) -> int:
    """How many of each kind a test kills."""
    return int(os.environ.get("KILLS_EACH", kills))


def begin(capsys: pytest.CaptureFixture[str]) -> int:
    """Say by which seed, before anything is killed; gives it."""
    _say(capsys, f"KILLS_SEED={SEED}")
    return SEED


def proven(capsys: pytest.CaptureFixture[str], killed: Mapping[str, int], about: str) -> None:
    """Say what was killed, now that the invariants hold, and put it into the ledger where there is one."""
    counts = ", ".join(f"{count} x {kind}" for kind, count in killed.items())
    _say(capsys, f"KILLS_SEED={SEED}: killed {counts}; {about}")
    if ledger := os.environ.get(_LEDGER):
        with Path(ledger).open("a", encoding="utf-8") as rows:
            rows.writelines(f"{kind}\t{count}\t{SEED}\n" for kind, count in killed.items())


def _say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stderr.write(f"\n{text}\n")


def tally(ledger: Path) -> Counter[str]:
    """Kills that were proven, by kind."""
    rows = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    counts: Counter[str] = Counter()
    for kind, count, _ in (row.split("\t") for row in rows):
        counts[kind] += int(count)
    return counts


def _left(ledger: Path, kinds: Sequence[str], wanted: int) -> int:
    counts = tally(ledger)
    return wanted - min(counts[kind] for kind in kinds)


def main(ledger: Path) -> int:
    """Kill until there are a hundred; the exit code of the first run that fails."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    while any(_left(ledger, kinds, wanted) > 0 for kinds, wanted, _ in RUNS.values()):
        for file, (kinds, wanted, at_once) in RUNS.items():  # in turn: stopped early, some of every kind are proven
            if _left(ledger, kinds, wanted) <= 0:
                continue
            # Whole runs: a shorter one has too few backups to be proven.
            told = {_LEDGER: str(ledger.resolve()), "KILLS_EACH": str(at_once)}
            command = [sys.executable, "-m", "pytest", "-q", "-n0", "-m", "long", "-k", "random_kills", file]
            if code := subprocess.run(command, env={**os.environ, **told}, check=False).returncode:
                return code
    counts = tally(ledger)
    sys.stdout.write(f"{counts.total()} kills proven: {', '.join(f'{n} x {kind}' for kind, n in counts.items())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
