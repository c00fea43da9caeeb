"""A bundle's encoder back in torch, to train on from: how a laboratory adapts the shipped encoder to its own slides.

The exported network keeps its parameters apart and by their names; large ones are stored in half precision. Only equal
tensors are stored once, under one name: a network that was never trained does not come back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from hemosight.engine import bundle
from hemosight.errors import WeightsMissing

SHIPPED = "default"
"""Stands for the bundle that comes with HemoSight."""
_HALF = ".half"
_PREFIX = "encoder.network."
"""Of the network's parameters; the means and deviations of the input are the encoder's own."""


def is_bundle(weights: str) -> bool:
    """Whether these weights name a bundle: ``default``, a ``.hemosight`` file, or a bundle's folder."""
    path = Path(weights)
    return weights == SHIPPED or path.suffix == bundle.SUFFIX or (path / "manifest.json").is_file()


def read(weights: str) -> bundle.Bundle:
    """The bundle these weights name; raises what :func:`hemosight.engine.bundle.load` raises."""
    return bundle.load(None if weights == SHIPPED else weights)


def state(weights: str, backbone: str) -> dict[str, Tensor]:
    """A bundle's weights as the state of an :class:`~hemosight.training.backbones.Encoder`, single precision.

    Counts of batches seen, which no export keeps, are missing. Raises
    :class:`~hemosight.errors.WeightsMissing` where the bundle's backbone is another, and what
    :func:`hemosight.engine.bundle.load` raises.
    """
    loaded = read(weights)
    if loaded.manifest.backbone != backbone:
        raise WeightsMissing(weights=weights, backbone=backbone, reason=f"a bundle of {loaded.manifest.backbone}")
    found = {}
    for tensor in onnx.load_from_string(loaded.encoder).graph.initializer:
        name = tensor.name.removesuffix(_HALF)
        if name.startswith(_PREFIX):
            array = numpy_helper.to_array(tensor).astype(np.float32)
            found[name.removeprefix("encoder.")] = torch.from_numpy(array)
    return found
