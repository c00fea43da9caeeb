"""`hemosight landscape` and `hemosight measure` as their user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.engine.bundle import Bundle, load
from hemosight.errors import BadSplit
from hemosight.images import sources
from hemosight.images.splits import hold_out

pytestmark = pytest.mark.slow


@pytest.mark.slow
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


def test_figures_are_measured_and_nothing_else_changes(tiny_bundle: Bundle, drawn_smear: Path, tmp_path: Path) -> None:
    """Of a bundle whose support is all of the smear: it is refused, for no cell was held out of it."""
    whole = tiny_bundle.save(tmp_path / "whole.hemosight")
    refused = CliRunner().invoke(app, ["measure", str(whole), "--data", str(drawn_smear)])
    assert isinstance(refused.exception, BadSplit)
    assert "among its labelled cells" in str(refused.exception)

    catalog = sources.read(drawn_smear)
    rest = [catalog.ids[row] for row in hold_out(catalog, 0.1, 0).rest]
    packed = Bundle.pack(
        name="tiny",
        version="1",
        encoder=tiny_bundle.encoder,
        backbone="one convolution",
        encoder_provenance={},
        preprocessing=tiny_bundle.preprocessing,
        support=tiny_bundle.support.take(tiny_bundle.support.embeddings.rows(rest)),
    ).save(tmp_path / "packed.hemosight")
    done = CliRunner().invoke(app, ["measure", str(packed), "--data", str(drawn_smear)])
    assert done.exit_code == 0, done.output
    assert load(packed).manifest.figures == {}, "shown only"
    done = CliRunner().invoke(app, ["measure", str(packed), "--data", str(drawn_smear), "--out", str(packed)])
    assert done.exit_code == 0, done.output
    after = load(packed).manifest.figures
    assert f"{after['held_out']['cells']} cells, macro-F1 {after['held_out']['macro_f1']['value']:.4f}" in done.output
    assert after["held_out"]["reliability"]
    assert after["label_efficiency"]
