"""A network small enough to train in a test, and settings that fit it."""

from __future__ import annotations

import signal
from typing import Any

from torch import nn

from hemosight.training.backbones import Encoder
from hemosight.training.display import Display
from hemosight.training.recipes import PretrainConfig, resolve

SMALL: dict[str, Any] = {
    "size": 32,
    "field": 336,
    "batch": 12,
    "epochs": 2,
    "head": [16, 8],
    "validation": 0.2,
    "lr": 3e-3,
    "probe": 5,
}
"""Six steps of 12 crops and an evaluation take a quarter of a second."""


class Stopper(Display):
    """Presses Ctrl-C after some steps."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after = after

    def show(self, what: str, done: int, total: int, note: str = "", remaining: float | None = None) -> None:
        if what == "steps" and done == self.after:
            signal.raise_signal(signal.SIGINT)


class TinyNetwork(nn.Sequential):
    """Two convolutions; ``num_features`` is what timm calls the width."""

    num_features = 24

    def __init__(self, norm: bool) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 5, stride=2),
            nn.BatchNorm2d(16) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(16, self.num_features, 3, stride=2),
            nn.BatchNorm2d(self.num_features) if norm else nn.Identity(),
            nn.ReLU(),
        )


def tiny(config: PretrainConfig) -> Encoder:
    return Encoder("tiny", TinyNetwork(norm=True), config.dropout)


def tiny_without_norm(config: PretrainConfig) -> Encoder:
    return Encoder("tiny", TinyNetwork(norm=False), config.dropout)


def small(**settings: Any) -> PretrainConfig:
    return resolve("default", {**SMALL, **settings})
