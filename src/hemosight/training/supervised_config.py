"""The settings of training with labels of several laboratories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hemosight.images.preprocess import Preprocessing
from hemosight.training.recipes import Count, Positive, Share
from hemosight.training.scanner_views import ScannerViews


class SupervisedConfig(BaseModel):
    """The settings of one run.

    Parameters
    ----------
    backbone, weights
        As :func:`hemosight.training.backbones.create` takes them. With the ``encoder.safetensors`` of another run
        training goes on from there, its classifying layer included where the classes are as many.
    crop, size, field
        As in :class:`hemosight.training.recipes.PretrainConfig`: the encoder reads a centre crop of ``crop`` reference
        pixels resized to ``size``, views are cut from ``field``.
    window
        Side of a view. Smaller than ``size``: a convolutional network reads better somewhat above the size it was
        trained at, and a step costs less.
    views
        How views are drawn.
    scanner_type
        The type of cell that scanners are measured on.
    batch
        Images per step of each process.
    steps
        How many there are.
    lr
        Of the network, in each layer's own root mean square: the largest step of Adam a weight may take.
    norm_lr, head_lr
        Of biases and norms, and of the classifying layer.
    weight_decay, warmup, smoothing, dropout
        Biases and norms do not decay; the learning rate rises over the share ``warmup`` and falls by a half cosine.
    power
        A laboratory's type with n cells is drawn as often as n to this power.
    doubtful
        Weights of types whose labels are not to be trusted, by ``source/type``.
    rest_after, resting_stages
        After this share of the steps the first layers rest: the stem and so many stages of blocks.
    average
        Of the averaged weights, a step.
    precision
        Arithmetic of the network.
    teachers
        Run folders whose averaged networks, of the same classes, are learnt from beside the labels.
    teacher_share
        Weight of what they say; the labels have the rest.
    teacher_turns
        What they say is averaged over so many quarter turns of the view: their student needs none.
    seed
        Of the classifying layer, the order, the views, dropout.
    checkpoint_minutes
        Time between two checkpoints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    crop: Count = 224
    size: Count = 128
    field: Count = 336
    window: Count = 112
    views: ScannerViews = ScannerViews()
    scanner_type: str = "neutrophil"
    batch: Annotated[int, Field(ge=2)] = 48
    steps: Count = 4000
    lr: Positive = 0.012
    norm_lr: Positive = 1.5e-3
    head_lr: Positive = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup: Share = 0.06
    smoothing: Share = 0.1
    dropout: Share = 0.2
    power: Annotated[float, Field(ge=0, le=1)] = 0.5
    doubtful: Mapping[str, float] = {"jhu_aml/eosinophil": 0.5, "jhu_aml/basophil": 0.5, "lmu_aml/blast": 0.6}
    rest_after: Share = 0.4
    resting_stages: Annotated[int, Field(ge=0)] = 2
    average: Share = 0.998
    precision: Literal["fp32", "bf16"] = "fp32"
    teachers: tuple[str, ...] = ()
    teacher_share: Share = 0.7
    teacher_turns: Annotated[int, Field(ge=1, le=4)] = 2
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint_minutes: Positive = 5.0

    @property
    def preprocessing(self) -> Preprocessing:
        """What the encoder's input is made by."""
        return Preprocessing(crop=self.crop, size=self.size, padding="reflect")

    @property
    def wide_preprocessing(self) -> Preprocessing:
        """What views are cut from."""
        return Preprocessing(crop=self.field, size=self.field * self.size // self.crop, padding="reflect")
