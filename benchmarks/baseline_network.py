"""Write the baseline pipeline's network: ``python benchmarks/baseline_network.py`` (needs the [dev] extra).

EfficientNet-Lite0 at 224 pixels, without its classifier (Liu, Tan & Le 2020; the layers of Tan & Le 2019's B0 without
squeeze-and-excitation, with ReLU6). Its weights are constants that are filled in when it is loaded, so that the file
takes some kilobytes: how long it computes does not hang on what it computes. ``hemosight benchmark`` reads against it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PATH = Path(__file__).parents[1] / "src" / "hemosight" / "lab" / "benchmark" / "baseline.onnx"
SIDE = 224
BLOCKS = (
    # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


class _Graph:
    """Nodes and constants of a network under construction."""

    def __init__(self) -> None:
        numbers = (("zero", 0.0), ("six", 6.0))
        self.nodes = [helper.make_node("Constant", [], [name], value_float=value) for name, value in numbers]
        self.parameters = 0

    def convolution(
        self, came: str, channels: tuple[int, int], kernel: int, *, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution with bias (its batch norm is folded in); returns the name of what comes out."""
        into, out = channels
        shape = (out, into // groups, kernel, kernel)
        name = f"c{len(self.nodes)}"
        # Each output is the mean of its inputs: numbers stay near one, and none is denormal.
        self._filled(f"{name}w", shape, 1 / np.prod(shape[1:]))
        self._filled(f"{name}b", (out,), 0.01)
        self.nodes.append(
            helper.make_node(
                "Conv",
                [came, f"{name}w", f"{name}b"],
                [name],
                strides=[stride] * 2,
                group=groups,
                pads=[kernel // 2] * 4,
            )
        )
        self.parameters += int(np.prod(shape)) + out
        return name

    def node(self, kind: str, came: list[str], **settings: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, came, [name], **settings))
        return name

    def relu6(self, came: str) -> str:
        return self.node("Clip", [came, "zero", "six"])

    def _filled(self, name: str, shape: tuple[int, ...], value: float) -> None:
        sizes = numpy_helper.from_array(np.array(shape, np.int64))
        filling = numpy_helper.from_array(np.array([value], np.float32))
        self.nodes.append(helper.make_node("Constant", [], [f"{name}s"], value=sizes))
        self.nodes.append(helper.make_node("ConstantOfShape", [f"{name}s"], [name], value=filling))


def build() -> tuple[bytes, int]:
    """The ONNX file's bytes, and how many weights the network has."""
    graph = _Graph()
    at = graph.relu6(graph.convolution("pixels", (3, STEM), 3, stride=2))
    channels = STEM
    for repeats, kernel, stride, expansion, out in BLOCKS:
        for number in range(repeats):
            came, wide = at, channels * expansion
            if expansion > 1:
                at = graph.relu6(graph.convolution(at, (channels, wide), 1))
            step = stride if number == 0 else 1
            at = graph.relu6(graph.convolution(at, (wide, wide), kernel, stride=step, groups=wide))
            at = graph.convolution(at, (wide, out), 1)
            if step == 1 and channels == out:
                at = graph.node("Add", [at, came])
            channels = out
    at = graph.node("GlobalAveragePool", [graph.relu6(graph.convolution(at, (channels, HEAD), 1))])
    graph.nodes.append(helper.make_node("Flatten", [at], ["features"], axis=1))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, HEAD])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "plain", [pixels], [features]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True), graph.parameters


if __name__ == "__main__":
    data, weights = build()
    PATH.write_bytes(data)
    print(f"{PATH}: {len(data):,} bytes, {weights:,} weights")
