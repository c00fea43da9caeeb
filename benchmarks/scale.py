"""How well the pixel scale of known scanners is measured, at their own size, resized and cut smaller.

    python benchmarks/scale.py --data DIR
    python benchmarks/scale.py --data DIR --fit

For each source and change: the width over all sampled crops; over random sets of 20 crops (resized ones in their own
pixels), the median and the worst error against the known width, and how many sets say that it cannot be told. Then how
far the nuclei of each source lie from the middle of their crops, in shares of the shorter side. With ``--fit`` instead:
the weights of ``hemosight.images.red_cells`` fitted anew on outlines of the known width (true) and of quite another
(false), and the area under the ROC curve on each source with the weights of the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from hemosight.images import red_cells
from hemosight.images.decode import Pixels, decode, read_bytes
from hemosight.images.nucleus import nucleus_centre
from hemosight.images.pixel_scale import PixelScale, measure
from hemosight.images.preprocess import centre_crop, resize

WIDTHS = {"PBC_dataset_normal_DIB": 77.0, "JHU_AML": 77.0, "CHULA": 80.0, "LMU_AML": 105.0, "fields/BCDD": 58.0}
"""Folder -> width of its red cells in pixels, on the scale on which Barcelona's are 77 wide."""
RESIZED = (0.5, 0.7, 1.0, 1.4, 1.8)
CUT = (4.0, 3.0, 2.5)
"""Side of the square that is left, in red cells."""


def main(
    data: Annotated[Path, typer.Option(help="Folder of data sets.")],
    crops: Annotated[int, typer.Option(help="Crops of each source.")] = 100,
    sets: Annotated[int, typer.Option(help="Random sets of 20 crops.")] = 20,
    fit: Annotated[bool, typer.Option("--fit", help="Fit the weights of the evidence instead.")] = False,
) -> None:
    """Print the tables."""
    pictures = {name: sampled(data / name, crops) for name in WIDTHS if (data / name).is_dir()}
    if fit:
        fitted(pictures)
        return
    print("| source | change | all crops | cells | median of sets | worst error | cannot tell |")
    print("|---|---|---|---|---|---|---|")
    for name, own in pictures.items():
        for change, factor, changed in changes(own, WIDTHS[name]):
            print(row(name, change, changed, WIDTHS[name] * factor, sets), flush=True)
    print("\n| source | nucleus seen | off the middle, median | 95% |\n|---|---|---|---|")
    for name, own in pictures.items():
        found = [(nucleus_centre(pixels), pixels.shape) for pixels in own]
        off = [
            np.hypot(at[0] - shape[0] / 2, at[1] - shape[1] / 2) / min(shape[:2])
            for at, shape in found
            if at is not None
        ]
        print(
            f"| {name} | {len(off)} of {len(own)} | {np.median(off):.3f} | {np.quantile(off, 0.95):.3f} |", flush=True
        )


def sampled(folder: Path, number: int) -> list[Pixels]:
    """Decoded pictures of a folder, drawn at random, the same ones every time."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".png")]
    random.Random(12).shuffle(files)  # noqa: S311 -- a sample, no secret
    return [decode(read_bytes(path)) for path in files[:number]]


def changes(pictures: list[Pixels], width: float) -> Iterator[tuple[str, float, list[Pixels]]]:
    """What was done to the pictures, by what it changes their red cells' width, and the changed pictures."""
    for factor in RESIZED:
        yield f"x {factor:g}", factor, [zoomed(pixels, factor) for pixels in pictures]
    for cells in CUT:
        side = round(cells * width)
        if side < min(pictures[0].shape[:2]):
            yield f"cut to {cells:g} cells", 1.0, [centre_crop(pixels, side) for pixels in pictures]
    for change, how in (("blurred", blurred(0.04 * width)), ("grey", grey), ("another lamp", lamp)):
        yield change, 1.0, [how(pixels) for pixels in pictures]


def zoomed(pixels: Pixels, factor: float) -> Pixels:
    """Resized; itself at 1."""
    return pixels if factor == 1 else resize(pixels, round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))


def blurred(radius: float) -> Callable[[Pixels], Pixels]:
    """Out of focus by a Gaussian of this standard deviation."""
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def grey(pixels: Pixels) -> Pixels:
    """Without colour."""
    return np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def lamp(pixels: Pixels) -> Pixels:
    """Another gamma and white point, a vignette, noise: drawn from the picture's own pixels, so always the same."""
    rng = np.random.default_rng(int(pixels.sum()))
    light = (pixels / 255) ** rng.uniform(0.6, 1.6) * rng.uniform(0.6, 1.15, 3)
    y, x = np.ogrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    away = (x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2
    light = light * (1 - 0.09 * away)[:, :, None] + rng.normal(0, 0.02, pixels.shape)
    return (255 * np.clip(light, 0, 1)).astype(np.uint8)


def row(name: str, change: str, pictures: list[Pixels], width: float, sets: int) -> str:
    """A line of the table."""
    whole = measure(pictures)
    rng = np.random.default_rng(0)
    few = min(20, len(pictures))
    parts = [measure([pictures[at] for at in rng.choice(len(pictures), few, replace=False)]) for _ in range(sets)]
    errors = [part.red_cell_px / width - 1 for part in parts if part.red_cell_px is not None]
    shown = (f"{np.median(errors):+.1%}", f"{np.abs(errors).max():.1%}") if errors else ("", "")
    silent = 1 - len(errors) / len(parts)
    return f"| {name} | {change} | {told(whole)} | {whole.cells:,} | {shown[0]} | {shown[1]} | {silent:.0%} |"


def told(scale: PixelScale) -> str:
    """A width with its interval, or a dash."""
    return "-" if scale.red_cell_px is None else f"{scale.red_cell_px:.1f} ({scale.low:.1f} to {scale.high:.1f})"


def fitted(pictures: dict[str, list[Pixels]]) -> None:
    """Print weights fitted on all sources, and how well those of the others do on each."""
    table: list[tuple[str, NDArray[Any], bool]] = []
    for name, own in pictures.items():
        cut = [centre_crop(pixels, round(cells * WIDTHS[name])) for cells in (3.4, 2.8) for pixels in own]
        for pixels in (*own, *cut, *map(lamp, own)):
            factor = min(1.0, red_cells.SIDE / max(pixels.shape[:2]))
            outlines = red_cells.distinct(red_cells.trace(pixels, factor))
            relative = 1.07 * 2 * outlines.radius / factor / WIDTHS[name]
            for features, size in zip(outlines.features, relative.tolist(), strict=True):
                if 0.82 < size < 1.22 or not 0.7 < size < 1.45:
                    table.append((name, features, 0.82 < size < 1.22))
    source = np.array([name for name, _, _ in table])
    values, true = np.stack([features for _, features, _ in table]), np.array([kind for _, _, kind in table])
    centre, spread = values.mean(axis=0), values.std(axis=0)
    values = (values - centre) / spread
    for name in pictures:
        others = LogisticRegression(class_weight="balanced").fit(values[source != name], true[source != name])
        area = roc_auc_score(true[source == name], others.decision_function(values[source == name]))
        print(f"{name}: area {area:.3f} with the weights of the others")
    every = LogisticRegression(class_weight="balanced").fit(values, true)
    weights = every.coef_[0] / spread
    print(f"weights {weights.round(1).tolist()}, intercept {float(every.intercept_[0] - weights @ centre):.1f}")


if __name__ == "__main__":
    typer.run(main)
