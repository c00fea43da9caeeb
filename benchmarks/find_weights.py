"""Weights of ``hemosight.images.finding.cells``, fitted on nuclei, parts of nuclei, platelets and red cells."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from find_fields import Known, drawn
from PIL import Image, ImageFilter
from sklearn.linear_model import LogisticRegression

from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.finding import cells as finder
from hemosight.images.finding.evidence import FEATURES, features
from hemosight.images.finding.nuclei import Nucleus, nuclei
from hemosight.images.finding.stain import Prepared, prepare
from hemosight.images.synthetic.camera import Lamp
from hemosight.scoring.boxes import Box, ious

CROPS = {"PBC_dataset_normal_DIB/*": 77.0, "JHU_AML/*": 77.0, "LMU_AML/*": 105.0, "CHULA/*": 80.0}
NO_WHITE_CELLS = ("platelet", "giant_platelet", "platelet_clump")
LEFT_OUT = ("smudge", "unidentified")
SQUARED = ("area", "width", "solid")
MARGIN = 0.23
NOT_ALL_BOXED = ("CHULA",)
TIMES = {"BCDD": 2}
"""Laboratory -> how often each of its fields is changed and shown; once where it is not named."""
DENSITY, COLOUR = ("peak", "inside"), ("green", "blue")
"""What the shipped features do without: logarithms of the optical density of a nucleus in red, its peak and mean; and
its mean density in green and in blue over that in red."""
_PARTS = ("low", "high", "mean", "spread", "linear", "square", "intercept")
EVERY = (*FEATURES, *DENSITY, *COLOUR)


@dataclass(frozen=True)
class Shown:
    """A picture to learn from: its place among those of its source, and the boxes of a field, or what a crop is of."""

    source: str
    name: str
    pixels: Pixels
    red_cell_px: float
    boxes: list[Box] | None
    complete: bool = True
    white: bool = True


@dataclass(frozen=True)
class Seen:
    """What may be a nucleus in one picture: a column for each of :data:`EVERY`, and corners in its pixels."""

    picture: Shown
    values: np.ndarray
    corners: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """What was looked at in one picture, and whether each is a white cell (1), none (0), or unclear (nan).

    ``values`` has a column for each of :data:`EVERY`.
    """

    source: str
    name: str
    values: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Model:
    """A logistic regression on some of :data:`EVERY`, as ``hemosight.images.finding.cells`` holds it."""

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    linear: np.ndarray
    square: np.ndarray
    intercept: float

    def scored(self, values: np.ndarray) -> np.ndarray:
        """How likely each row (a column for each of :data:`EVERY`) is of a white cell, 0 to 1."""
        own = values[:, [EVERY.index(name) for name in self.names]]
        unit = (np.clip(own, self.low, self.high) - self.mean) / self.spread
        return 1 / (1 + np.exp(-(unit @ self.linear + unit**2 @ self.square + self.intercept)))

    @classmethod
    def shipped(cls) -> Model:
        """The weights that ship."""
        return cls(FEATURES, *(getattr(finder, f"_{part.upper()}") for part in _PARTS))

    def use(self) -> None:
        """Let ``finder.find`` search by it; of the shipped features alone."""
        for part in _PARTS:
            setattr(finder, f"_{part.upper()}", getattr(self, part))

    def text(self) -> str:
        """The lines of ``hemosight.images.finding.cells``."""
        return "\n".join(f"_{part.upper()} = {np.round(getattr(self, part), 3).tolist()}" for part in _PARTS)


def fit(known: Sequence[Candidates], names: tuple[str, ...] = FEATURES) -> Model:
    """The weights of some features."""
    columns = [EVERY.index(name) for name in names]
    every = np.vstack([one.values for one in known])[:, columns]
    low, high = np.quantile(every, [0.002, 0.998], axis=0)
    mean, spread = every.mean(axis=0), every.std(axis=0) + 1e-6
    squared = [names.index(name) for name in SQUARED if name in names]
    truth = np.concatenate([one.truth for one in known])
    source = np.concatenate([[one.source] * len(one.truth) for one in known])
    sure = ~np.isnan(truth)
    values, truth, source = every[sure], truth[sure], source[sure]
    worth = np.zeros(len(truth))
    for name in set(source):  # a source with many candidates does not drown the others
        for kind in (0, 1):
            own = (source == name) & (truth == kind)
            worth[own] = 1 / np.sqrt(max(own.sum(), 1))
    unit = (np.clip(values, low, high) - mean) / spread
    model = LogisticRegression(C=0.3, max_iter=3000)
    model.fit(np.hstack([unit, unit[:, squared] ** 2]), truth, sample_weight=worth / worth.mean())
    slopes, (intercept,) = np.asarray(model.coef_)[0], np.asarray(model.intercept_).tolist()
    square = np.zeros(len(names))
    square[squared] = slopes[len(names) :]
    return Model(names, low, high, mean, spread, slopes[: len(names)], square, intercept)


def measured(field: Prepared, found: Sequence[Nucleus]) -> np.ndarray:
    """A row for each nucleus, a column for each of :data:`EVERY`."""
    more = []
    for nucleus in found:
        y0, x0, y1, x1 = nucleus.box
        red, green, blue = field.density[y0:y1, x0:x1][nucleus.mask].mean(axis=0).tolist()
        over = max(red, 0.02)
        row = [np.log(max(nucleus.peak, 1e-3)), np.log(over), np.clip(green / over, -1, 4), np.clip(blue / over, -2, 4)]
        more.append(row)
    return np.hstack([features(field, found), np.array(more).reshape(-1, len(DENSITY) + len(COLOUR))])


def shown(fields: dict[str, list[Known]], crops: dict[str, float], data: Path | None) -> list[Shown]:
    """Fields and crops of the sources, each changed in stain, lamp, sharpness and scale by its own name alone."""
    pictures = []
    for source, own in fields.items():
        for field in own:
            for time in range(TIMES.get(source, 1)):
                pixels, px = _changed(field.pixels, field.red_cell_px, _own(source, field.name, time))
                complete = source not in NOT_ALL_BOXED
                pictures.append(Shown(source, field.name, pixels, px, field.boxes, complete))
    for pattern, px in crops.items() if data is not None else ():
        pictures += _of_crops(data, pattern, px) if data is not None else []
    return pictures


def see(picture: Shown) -> Seen:
    """What may be a nucleus in a picture."""
    field = prepare(picture.pixels, picture.red_cell_px)
    found = nuclei(field)
    corners = np.array([nucleus.box for nucleus in found]).reshape(-1, 4)[:, [1, 0, 3, 2]] / field.factor
    return Seen(picture, measured(field, found), corners)


def candidates(seen: Seen, margin: float = MARGIN) -> Candidates:
    """What each of them is."""
    picture = seen.picture
    own = seen.corners + margin * picture.red_cell_px * np.array([-1, -1, 1, 1])
    truth = _of_field(picture, own) if picture.boxes is not None else _of_crop(picture, seen.values, own)
    return Candidates(picture.source, picture.name, seen.values, truth)


def sources(fields: dict[str, list[Known]], without: str = "") -> tuple[dict[str, list[Known]], dict[str, float]]:
    """Fields, drawn ones among them, and patterns of crops, of all but one laboratory."""
    own = {"drawn": drawn(60), **{name: known for name, known in fields.items() if name != without}}
    return own, {pattern: px for pattern, px in CROPS.items() if pattern.split("/")[0] != without}


def _own(source: str, name: str, time: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(f"{source}/{name}".encode()), time])


def _changed(pixels: Pixels, red_cell_px: float, rng: np.random.Generator) -> tuple[Pixels, float]:
    if rng.random() < 0.5:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3)))))
    gains, gamma = np.exp(rng.normal(0, 0.12, 3)), rng.uniform(0.7, 1.5)
    pixels = np.clip(255 * (pixels / 255) ** gamma * gains / max(1, gains.max()), 0, 255).astype(np.uint8)
    pixels = Lamp(*(float(rng.uniform(0, most)) for most in (0.6, 1.0, 0.4))).shine(pixels, rng)
    return pixels, red_cell_px * float(np.exp(rng.normal(0, 0.07)))


def _of_field(picture: Shown, own: np.ndarray) -> np.ndarray:
    truth = np.full(len(own), 0.0 if picture.complete else np.nan)
    if picture.boxes and len(own):
        shared = ious([tuple(box) for box in own.tolist()], picture.boxes)
        best = shared.max(axis=1)
        if picture.complete:
            truth[best > 0.25] = np.nan
        truth[(best > 0.02) & (best < 0.45)] = 0  # a part of a cell, or more than one
        for column in range(len(picture.boxes)):
            most = shared[:, column].max()
            if most > 0.35:
                truth[shared[:, column] >= max(0.35, most - 0.07)] = 1
    return truth


def _of_crops(data: Path, pattern: str, red_cell_px: float, each: int = 6) -> Iterator[Shown]:
    """Crops: the cell in the middle is one, or a platelet, which is none."""
    for folder in sorted(data.glob(pattern)):
        if not folder.is_dir() or folder.name in LEFT_OUT:
            continue
        files = sorted(folder.glob("*.jp*g"))
        source = pattern.split("/")[0]
        for row in _own(source, folder.name, 0).permutation(len(files))[:each].tolist():
            pixels, px = _changed(decode(read_bytes(files[row])), red_cell_px, _own(source, files[row].name, 0))
            yield Shown(source, files[row].name, pixels, px, None, white=folder.name not in NO_WHITE_CELLS)


def _of_crop(picture: Shown, values: np.ndarray, own: np.ndarray) -> np.ndarray:
    truth = np.full(len(own), np.nan)
    if not len(own):
        return truth
    middle = (own[:, :2] + own[:, 2:]) / 2 - np.array([picture.pixels.shape[1], picture.pixels.shape[0]]) / 2
    central = np.hypot(*middle.T) < 0.65 * picture.red_cell_px
    edge, clear, area = (values[:, EVERY.index(name)] for name in ("edge", "clear", "area"))
    if not picture.white:
        truth[central] = 0
    elif (central & (area > np.log(0.3))).any():
        best = int(np.argmax(np.where(central, edge + 0.5 * clear + 0.35 * area, -np.inf)))
        shared = ious([tuple(box) for box in own.tolist()], [tuple(own[best].tolist())])[:, 0]
        truth[shared > 0.8], truth[(shared > 0.02) & (shared < 0.45)] = 1, 0
    return truth
