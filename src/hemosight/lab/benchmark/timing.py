"""Timing on a noisy machine: variants in turn, medians over rounds, ratios within rounds.

Other programs run beside this one. Variants of a stage therefore take turns (A B A B), what is reported is the median
over rounds, and a ratio compares two variants within each round: whatever slows a round slows both of its sides.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import util
from importlib.metadata import version
from typing import Any

import numpy as np

from hemosight.engine.backend_choice import processor

REPEATS = 5
SECONDS = 20.0
_ENOUGH_FOR_P95 = 20
_LIBRARIES = ("numpy", "onnxruntime", "openvino", "scikit-learn")


@dataclass(frozen=True)
class Machine:
    """What was measured on; ``load`` is the mean number of running programs of the last minute, None if unknown."""

    processor: str
    cores: int
    system: str
    python: str
    libraries: Mapping[str, str]
    load: float | None

    def __str__(self) -> str:
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        busy = "" if self.load is None else f"; load {self.load:.1f} when it began"
        return f"{self.processor}, {self.cores} cores, {self.system}, Python {self.python}, {libraries}{busy}"


def machine() -> Machine:
    """What this program runs on, and how busy that is now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    libraries = {
        library: version(library) for library in _LIBRARIES if util.find_spec(library.replace("scikit-", "sk"))
    }
    return Machine(processor(), cores, platform.system(), platform.python_version(), libraries, load)


@dataclass(frozen=True)
class Stage:
    """Something to measure, in one or more ways.

    Parameters
    ----------
    name, unit
        What it does, and what it is counted in.
    variants
        By name, work that returns how many units it handled. The first is what the others are compared with.
    rounds
        Rounds for each repeat that is asked for.
    """

    name: str
    unit: str
    variants: Mapping[str, Callable[[], int]]
    rounds: int = 1


@dataclass(frozen=True)
class Timing:
    """One variant's measurement.

    Parameters
    ----------
    stage, variant, unit
        What was measured, and what it is counted in.
    items
        Units handled in one round.
    seconds
        Duration of each round.
    ratio
        How many times quicker, unit by unit, than the stage's first variant; the median over rounds.
    """

    stage: str
    variant: str
    unit: str
    items: int
    seconds: tuple[float, ...]
    ratio: float

    @property
    def per_second(self) -> float:
        """Units a second, at the median round."""
        return self.items / float(np.median(self.seconds))

    @property
    def milliseconds(self) -> float:
        """Milliseconds for one unit, at the median round."""
        return 1000.0 / self.per_second

    @property
    def p95(self) -> float | None:
        """Milliseconds for one unit that one round in twenty exceeds; None where there are fewer rounds."""
        if len(self.seconds) < _ENOUGH_FOR_P95:
            return None
        return 1000.0 * float(np.quantile(self.seconds, 0.95)) / self.items

    def to_json(self) -> dict[str, Any]:
        """Every round's duration, and what follows from them."""
        return asdict(self) | {
            "per_second": self.per_second,
            "milliseconds": self.milliseconds,
            "p95_milliseconds": self.p95,
        }


def measure(
    stage: Stage, repeats: int = REPEATS, seconds: float = SECONDS, clock: Callable[[], float] = time.perf_counter
) -> list[Timing]:
    """Time a stage's variants in turn.

    At most ``repeats * stage.rounds`` rounds; no round begins after ``seconds``, except the first.
    """
    began = clock()
    taken: dict[str, list[float]] = {name: [] for name in stage.variants}
    items: dict[str, int] = {}
    for number in range(repeats * stage.rounds):
        if number and clock() - began >= seconds:
            break
        for name, work in stage.variants.items():
            start = clock()
            items[name] = work()
            taken[name].append(clock() - start)
    first = next(iter(stage.variants))
    each = {name: np.array(times) / items[name] for name, times in taken.items()}
    return [
        Timing(stage.name, name, stage.unit, items[name], tuple(times), float(np.median(each[first] / each[name])))
        for name, times in taken.items()
    ]
