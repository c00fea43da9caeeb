"""The baseline pipeline: how crops are embedded without HemoSight, which its speed is told as a multiple of.

Pillow decodes a crop, cuts its middle out and hands it to onnxruntime, which runs EfficientNet-Lite0 at 224 pixels in
single precision, one crop after another, on all threads. Nothing is classified, placed or looked up.
``benchmarks/baseline_network.py`` writes the network; its weights are constants, which take as long as trained ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
"""Side of the square that the plain network sees."""


class BaselinePipeline:
    """Embeds crops as a script of ten lines would.

    Parameters
    ----------
    threads
        Processor threads.
    """

    def __init__(self, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        data = (resources.files("hemosight") / "lab" / "benchmark" / "baseline.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def embed(self, crops: Sequence[Path]) -> int:
        """Embed crops one after another; returns how many."""
        return sum(self._vector(crop).size > 0 for crop in crops)

    def _vector(self, crop: Path) -> np.ndarray:
        with Image.open(crop) as image:
            left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
            square = image.convert("RGB").crop((left, top, left + SIDE, top + SIDE))
        pixels = (np.asarray(square, np.float32) - 127) / 128
        return np.asarray(self._session.run(None, {"pixels": pixels.transpose(2, 0, 1)[None]})[0])
