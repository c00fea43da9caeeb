"""Everything a pretraining run depends on, in one frozen object, and the named recipes.

The recipe ``paper`` is Liu et al. 2024 to the letter (Methods, "Self-supervised learning"); ``default`` reaches a
useful encoder in hours on a laptop's processor.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hemosight.errors import BadSetting, UnknownName
from hemosight.images.preprocess import Preprocessing
from hemosight.training.augment import VIEWS, ViewRecipe
from hemosight.training.triplet import Metric

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class PretrainConfig(BaseModel):
    """The settings of one pretraining run. The device and the number of processes are not among them.

    Parameters
    ----------
    recipe
        The name it was made from.
    backbone, weights
        As :func:`hemosight.training.backbones.create` takes them.
    crop, size, field
        The encoder sees a centre crop of ``crop`` reference pixels resized to ``size``. Views are cut from a wider
        crop, ``field``, reduced by the same factor.
    views, views_per_image
        How views are drawn, and how many of each image.
    batch
        Images per step, over all processes; ``views_per_image`` times as many pictures go through the network.
    micro_batches
        Passes a batch is cut into where memory is short. Pairs are mined in the whole batch all the same.
    loss
        ``triplet`` (with ``margin`` and ``metric``) or ``ntxent`` (with ``temperature``).
    head
        Widths of the projection head's two layers, thrown away after training; null puts the loss on the embedding.
    dropout, freeze_batch_norm
        Of the encoder; frozen batch norms keep their weights and their statistics.
    optimizer, lr, betas, eps, weight_decay
        ``weight_decay`` spares biases and norms.
    schedule
        ``cosine``: ``warmup`` (a share of all steps) linearly up, then a half cosine to zero. ``plateau``: times
        ``plateau_factor`` after ``plateau_patience`` epochs without a better validation loss, but at least
        ``plateau_floor``.
    early_stopping
        Epochs without a better validation loss after which to stop; null for never.
    epochs, minutes
        With ``minutes``, a few steps are timed first and ``epochs`` becomes what fits; the resolved number is written
        to the run folder, so that the run can be repeated to the bit.
    validation
        Share of the images kept for the validation loss and the probe.
    keep
        Which weights become the run's encoder: the last, or those of the best validation loss.
    precision, channels_last
        Arithmetic of the network, and the layout of its tensors.
    seed
        Of everything random: weights of the head, the split, the order, the views, dropout.
    probe, probe_every
        Neighbours in the k-NN probe, and epochs between two probes; it runs where there are labels.
    checkpoint_minutes
        Time between two checkpoints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    recipe: str = "default"
    backbone: str = "tf_efficientnet_lite0"
    weights: str = "imagenet"
    crop: Count = 224
    size: Count = 128
    field: Count = 322
    views: ViewRecipe = VIEWS["default"]
    views_per_image: Annotated[int, Field(ge=2)] = 2
    batch: Annotated[int, Field(ge=2)] = 96
    micro_batches: Count = 1
    loss: Literal["triplet", "ntxent"] = "ntxent"
    margin: Positive = 0.5
    metric: Metric = "L2"
    temperature: Positive = 0.1
    head: tuple[Count, Count] | None = (1280, 128)
    dropout: Share = 0.0
    freeze_batch_norm: bool = False
    optimizer: Literal["adam", "adamw"] = "adamw"
    lr: Positive = 5e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    schedule: Literal["cosine", "plateau"] = "cosine"
    warmup: Share = 0.05
    plateau_factor: Share = 0.1
    plateau_patience: Count = 4
    plateau_floor: Annotated[float, Field(ge=0)] = 1e-7
    early_stopping: Count | None = None
    epochs: Count = 30
    minutes: Positive | None = None
    validation: Share = 0.05
    keep: Literal["best", "final"] = "final"
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    seed: Annotated[int, Field(ge=0)] = 0
    probe: Count = 20
    probe_every: Count = 1
    checkpoint_minutes: Positive = 5.0

    @model_validator(mode="after")
    def _fits(self) -> PretrainConfig:
        if self.field < self.crop:
            raise ValueError(f"field ({self.field}) must be at least crop ({self.crop})")
        side, rest = divmod(self.field * self.size, self.crop)
        if rest or (self.field - self.crop) % 2 or (side - self.size) % 2:
            raise ValueError(
                f"field * size / crop must be a whole number, as far from size as field is from crop, in even steps: "
                f"{self.field} * {self.size} / {self.crop}; try field={nearest_field(self.crop, self.size)}"
            )
        if self.batch % self.micro_batches:
            raise ValueError(f"batch ({self.batch}) must divide by micro_batches ({self.micro_batches})")
        if (self.early_stopping or self.schedule == "plateau" or self.keep == "best") and self.validation == 0:
            raise ValueError("validation=0 leaves nothing to stop, step down or choose by")
        return self

    @property
    def preprocessing(self) -> Preprocessing:
        """What the encoder's input is made by."""
        return Preprocessing(crop=self.crop, size=self.size)

    @property
    def wide_preprocessing(self) -> Preprocessing:
        """How pictures that views are cut from are prepared: the same steps, with more around the cell."""
        return Preprocessing(crop=self.field, size=self.field * self.size // self.crop)


def nearest_field(crop: int, size: int) -> int:
    """The least side of a wider crop that fits ``crop`` and ``size`` and still fills the corners of a rotated view."""
    side = size
    while side * side < 2 * size**2 or side * crop % size or (side * crop // size - crop) % 2:
        side += 2
    return side * crop // size


RECIPES: Mapping[str, PretrainConfig] = MappingProxyType(
    {
        "default": PretrainConfig(),
        "paper": PretrainConfig(
            recipe="paper",
            backbone="tf_efficientnetv2_b0",
            crop=224,
            size=224,
            field=360,
            views=VIEWS["paper"],
            batch=100,
            loss="triplet",
            margin=0.5,
            metric="L2",
            head=None,
            dropout=0.2,
            freeze_batch_norm=True,
            optimizer="adam",
            lr=1e-5,
            betas=(0.9, 0.999),
            eps=1e-7,
            weight_decay=0.0,
            schedule="plateau",
            plateau_factor=0.1,
            plateau_patience=4,
            plateau_floor=1e-7,
            early_stopping=5,
            epochs=30,
            validation=0.1,
            keep="best",
        ),
    }
)


def resolve(recipe: str = "default", settings: Mapping[str, Any] | None = None) -> PretrainConfig:
    """A named recipe with some settings changed.

    Parameters
    ----------
    recipe
        A name in :data:`RECIPES`.
    settings
        New values, or their text as on a command line: ``{"lr": "1e-3", "views": "paper", "views.blur": "0"}``;
        ``none`` is null where a setting may be null, and lists are JSON.

    Raises
    ------
    UnknownName
        No such recipe, or no such views.
    BadSetting
        No such setting, or a value that does not fit.
    """
    if recipe not in RECIPES:
        raise UnknownName(kind="recipe", choices=", ".join(RECIPES), name=recipe)
    values = RECIPES[recipe].model_dump()
    # Whole views first, whatever the order given, so that views.blur changes the ones that were chosen.
    for key, value in sorted((settings or {}).items(), key=lambda item: item[0].count(".")):
        outer, _, inner = key.partition(".")
        known = {field.name for field in dataclasses.fields(ViewRecipe)} if inner else set(values)
        if (inner and outer != "views") or (inner or outer) not in known or outer == "recipe":
            raise BadSetting(expected="a setting", came=repr(key), mend=_keys())
        if key == "views":
            values["views"] = dataclasses.asdict(_views(value))
        elif inner:
            values["views"] = {**values["views"], inner: _parse(value)}
        else:
            values[outer] = _parse(value, PretrainConfig.model_fields[outer].annotation)
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        came = f"{where}={first['input']!r}" if where else "settings that contradict each other"
        raise BadSetting(expected=first["msg"].removeprefix("Value error, "), came=came, mend=_keys()) from error


def _views(value: Any) -> ViewRecipe:
    if isinstance(value, ViewRecipe):
        return value
    if value not in VIEWS:
        raise UnknownName(kind="views", choices=", ".join(VIEWS), name=value)
    return VIEWS[value]


def _parse(value: Any, kind: Any = None) -> Any:
    """Text of the command line as a value; anything else is one already."""
    if not isinstance(value, str) or kind is str:
        return value
    if value.lower() == "none" and type(None) in get_args(kind):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return value


def _keys() -> str:
    inner = ", ".join(f"views.{field.name}" for field in dataclasses.fields(ViewRecipe))
    outer = ", ".join(name for name in PretrainConfig.model_fields if name != "recipe")
    return f"Give options as --set key=value; the keys: {outer}, {inner}."
