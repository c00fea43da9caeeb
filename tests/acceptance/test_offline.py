"""The bundle for machines without a network installs there, and the installed program reads and serves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Three hundred megabytes are fetched: more than ten minutes where the line is slow.
pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]


def test_the_bundle_installs_without_a_network(tmp_path: Path) -> None:
    if not (ROOT / "src/hemosight/service/static/index.html").exists():
        pytest.skip("the page is not built: make page")
    bundle = tmp_path / "bundle"
    environment = {"PYTHON": sys.executable, "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)}
    made = subprocess.run([ROOT / "scripts" / "offline", bundle], capture_output=True, text=True, check=False)
    if made.returncode and "fetching" in made.stderr and "building" not in made.stderr:
        pytest.skip(f"the packages cannot be fetched here: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stderr
    # A network namespace of its own: nothing but loopback.
    alone = ["unshare", "--net"] if shutil.which("unshare") and _may_unshare() else []
    target = tmp_path / "target"
    install = [*alone, bundle / "install.sh", target]
    done = subprocess.run(install, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "HemoSight is in" in done.stdout
    program = [*alone, target / "bin" / "hemosight", "service", "openapi"]
    shown = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert '"title": "HemoSight"' in shown.stdout, shown.stderr
    # A file that was changed on the way is noticed before anything is installed.
    (bundle / "runtime.txt").write_text("# nothing\n")
    broken = subprocess.run(
        [bundle / "install.sh", tmp_path / "other"], capture_output=True, text=True, check=False, env=environment
    )
    assert broken.returncode != 0
    assert "runtime.txt" in broken.stderr + broken.stdout
    assert not (tmp_path / "other").exists()


def _may_unshare() -> bool:
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
