"""The record of speed: a fallen ratio is seen, the page is the record's, and the baseline pipeline is what it says."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hemosight.lab.benchmark.baseline import SIDE, BaselinePipeline

ROOT = Path(__file__).parents[2]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_a_ratio_that_fell_by_a_third_is_seen() -> None:
    fallen = _script("speed").fallen
    assert fallen({"reading": 5.4}, {"reading": 8.0}) == []
    assert fallen({"reading": 5.3, "placing": 90.0}, {"reading": 8.0, "placing": 60.0}) == [
        "reading: 5.3 times the baseline pipeline, 8.0 on record"
    ]
    assert fallen({"placing": 1.0}, {"reading": 8.0}) == [], "what was not measured has not fallen"


def test_the_page_is_what_is_on_record() -> None:
    speed = _script("speed")
    facts = json.loads(speed.RECORD.read_text())
    assert speed.section(facts) in speed.FIGURES.read_text()
    assert {row["stage"] for row in facts["rows"]} == {"reading", "teaching", "placing"}


def test_the_baseline_network_is_efficientnet_lite0(drawn_smear: Path) -> None:
    data, weights = _script("baseline_network").build()
    path = ROOT / "src" / "hemosight" / "lab" / "benchmark" / "baseline.onnx"
    assert path.read_bytes() == data, "run benchmarks/baseline_network.py"
    convolutions = [node for node in onnx.load_from_string(data).graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 49, "stem, 16 blocks of 3 but the first of 2, head"
    # 4.65 million with the classifier's 1,281,000 and the batch norms, which are folded in here.
    assert weights == pytest.approx(4_652_008 - 1_281_000, rel=0.01)
    crops = sorted(drawn_smear.rglob("*.jpg"))[:2] or sorted(drawn_smear.rglob("*.png"))[:2]
    assert BaselinePipeline(1).embed(crops) == 2
    constants = {node.output[0]: node for node in onnx.load_from_string(data).graph.node if node.op_type == "Constant"}
    stem = numpy_helper.to_array(constants[f"{convolutions[0].input[1]}s"].attribute[0].t)
    assert np.array_equal(stem, [32, 3, 3, 3])
    assert SIDE == 224
