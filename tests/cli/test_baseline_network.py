"""What the command line hands to the baseline study: torch only when it is asked for, and the code in the settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hemosight.cli.baseline_network import baseline_network
from hemosight.errors import ExtraMissing
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing


def test_without_torch_it_says_what_to_install(drawn_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("hemosight.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    network = baseline_network()
    with pytest.raises(ExtraMissing, check=lambda fault: fault.code == "training_extra_missing"):
        network.exported("tf_efficientnet_lite0", 64)
    with pytest.raises(ExtraMissing, check=lambda fault: fault.code == "training_extra_missing"):
        network.trained(drawn_catalog, None)


@pytest.mark.train
def test_imagenets_network_is_exported_at_the_size_asked_for(tiny_onnx: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from hemosight.training import export

    asked: list[dict[str, Any]] = []

    def exported(**settings: Any) -> export.Exported:
        asked.append(settings)
        return export.Exported(tiny_onnx, Preprocessing(size=64), "tiny", {})

    monkeypatch.setattr(export, "exported", exported)
    assert baseline_network().exported("some_network", 64) == tiny_onnx
    assert asked == [{"backbone": "some_network", "weights": "imagenet", "size": 64}]


@pytest.mark.train
def test_other_training_code_is_another_contender(
    drawn_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hemosight.training import baseline

    _, first = baseline_network().trained(drawn_catalog, tmp_path)
    monkeypatch.setattr(baseline, "code_hash", lambda: "other code")
    _, second = baseline_network().trained(drawn_catalog, tmp_path)
    assert baseline.BaselineConfig().model_dump_json() in first
    assert first != second
