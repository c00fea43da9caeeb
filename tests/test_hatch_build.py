"""The build hook: a wheel gets a whole page of the present sources, or there is no wheel and a word of why."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parents[1] / "hatch_build.py"
_BUILDING_NPM = """#!/bin/sh
echo "$@" >> "{calls}"
mkdir -p node_modules ../src/hemosight/service/static/assets
echo '{{}}' > node_modules/.package-lock.json
[ "$1" = run ] || exit 0
echo '<script src="/assets/a.js"></script>' > ../src/hemosight/service/static/index.html
echo > ../src/hemosight/service/static/assets/a.js
"""
_FAILING_NPM = """#!/bin/sh
echo "src/main.tsx: no such import" >&2
exit 3
"""


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("hatch_build", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook = _load()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the sources of a page that was never built."""
    root = tmp_path / "checkout"
    (root / "web" / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.tsx"):
        _written(root / "web" / name, at=1_000)
    for folder in (root / "web" / "src", root / "web"):
        os.utime(folder, (1_000, 1_000))
    return root


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the calls that an npm that builds has had."""
    calls = tmp_path / "calls"
    calls.touch()
    _npm(_BUILDING_NPM.format(calls=calls), tmp_path, monkeypatch)
    return calls


def _npm(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def _written(file: Path, text: str = "", *, at: float) -> None:
    file.write_text(text)
    os.utime(file, (at, at))


def test_a_fresh_clone_gets_its_modules_and_its_page(checkout: Path, calls: Path) -> None:
    hook.ensure_page(checkout)
    assert calls.read_text().splitlines() == ["ci", "run build"]
    assert (checkout / hook.PAGE / "index.html").is_file()


def test_a_page_newer_than_its_sources_is_taken_as_it_is(checkout: Path, calls: Path) -> None:
    hook.ensure_page(checkout)
    hook.ensure_page(checkout)
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.parametrize("change", ["written", "removed", "asset gone"])
def test_a_page_of_other_sources_is_built_anew(checkout: Path, calls: Path, change: str) -> None:
    hook.ensure_page(checkout)
    source = checkout / "web" / "src" / "main.tsx"
    later = (checkout / hook.PAGE / "index.html").stat().st_mtime + 10
    if change == "written":
        _written(source, "new", at=later)
    elif change == "removed":
        source.unlink()
        os.utime(source.parent, (later, later))
    else:
        (checkout / hook.PAGE / "assets" / "a.js").unlink()
    hook.ensure_page(checkout)
    assert calls.read_text().splitlines() == ["ci", "run build", "run build"]


def test_without_npm_the_build_says_what_it_needs(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(hook.PageNotBuilt, match=r"expected npm.*none is on PATH.*Install Node\.js"):
        hook.ensure_page(checkout)


def test_what_npm_said_is_passed_on(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _npm(_FAILING_NPM, tmp_path, monkeypatch)
    with pytest.raises(hook.PageNotBuilt, match=r"(?s)`npm ci`.*ended with 3.*no such import"):
        hook.ensure_page(checkout)


def test_a_source_distribution_and_a_container_need_no_npm(
    checkout: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.ensure_page(checkout)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    # Unpacked, every file is as old as the archive says: time tells nothing there.
    (checkout / "PKG-INFO").touch()
    _written(checkout / "web" / "src" / "main.tsx", at=4_000_000_000)
    hook.ensure_page(checkout)
    (checkout / "PKG-INFO").unlink()
    (checkout / "web").rename(tmp_path / "elsewhere")
    hook.ensure_page(checkout)
    (checkout / hook.PAGE / "assets" / "a.js").unlink()
    with pytest.raises(hook.PageNotBuilt, match=r"assets/a\.js .*make page"):
        hook.ensure_page(checkout)
    assert len(calls.read_text().splitlines()) == 2


def test_an_editable_install_builds_nothing(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    hook.PageHook(str(checkout), {}, None, None, str(tmp_path), "wheel").initialize("editable", {})
    assert not (checkout / hook.PAGE).exists()
