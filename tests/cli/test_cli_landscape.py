"""`hemosight landscape` as its user types it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from hemosight.bundle import Bundle, load
from hemosight.cli import app


def test_a_bundle_is_given_a_map_and_nothing_else_changes(
    tiny_bundle: Bundle, drawn_smear: Path, tmp_path: Path
) -> None:
    without = tiny_bundle.save(tmp_path / "without.hemosight")
    done = CliRunner().invoke(app, ["landscape", str(without), "--out", str(tmp_path / "with.hemosight")])
    assert done.exit_code == 0, done.output
    assert "trustworthiness" in done.output
    before, after = load(without), load(tmp_path / "with.hemosight")
    assert after.landscape is not None
    kept = {name: sha for name, sha in after.manifest.files.items() if name != "landscape.safetensors"}
    assert kept == before.manifest.files
    changed = {"files", "landscape"}
    assert after.manifest.model_dump(exclude=changed) == before.manifest.model_dump(exclude=changed)
    assert after.manifest.landscape["command"].startswith("hemosight")
