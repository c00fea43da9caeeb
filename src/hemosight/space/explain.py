"""Where in a crop a reading, or a likeness, comes from: Grad-CAM++ without backpropagation.

Where the average of the last feature map A (channels x h x w) is what is read, the encoder only averages and brings to
unit length behind it, and a reader only adds one affine map:

    u_k = mean_ij A^k_ij,    v = u / |u|,    S = f(v)

so the gradient of any score S with respect to the map is known: it is the same at every position of a channel,

    g_k = dS/dA^k_ij = dS/du_k / (h w),    dS/du = (dS/dv - v (v . dS/dv)) / |u|.

Grad-CAM++ (Chattopadhay et al. 2018, eq. 10, 11 and 19, with Y = exp(S)) weighs each channel by

    w_k = sum_ij a^k_ij max(g_k, 0),    a^k_ij = g_k^2 / (2 g_k^2 + g_k^3 sum_ab A^k_ab)

and shows L_ij = max(sum_k w_k A^k_ij, 0), here divided by its largest value. It equals the same sums with gradients by
torch's autograd to 1e-4 (a test says so).

A class's score is its log-odds against the other classes, because a class's own score means nothing alone: adding
the same vector to every class's weights changes no reading, but would change a map. A likeness is ``u . b`` for
another cell's unit vector ``b``, which splits over positions exactly where the average is what is read.

Where the vector is read from all levels of the network, the last map's average a does not give it, but nearly, through
a linear surrogate: ``u ~ [a, 1] P``. The gradient is then taken through it, ``dS/da = P dS/du``: the heat shows where
the last map holds what makes the reading likely, as far as the last map knows it.

An encoder may average quarter turns of a crop; its feature map is then the mean of the turned maps, turned back, whose
average is the mean over turns. Give the vector that was read, and the gradient is taken there; without, at what the
map's average gives, which is the same but for a surrogate's error.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from hemosight.errors import UnknownName
from hemosight.space.linear_classifier import LinearClassifier

Features = NDArray[np.float32]
"""The last feature map of one crop: float32, channels x h x w."""
Heat = NDArray[np.float32]
"""How much each place counts: float32, 0 to 1, any height x width."""
Vector = NDArray[np.float32] | NDArray[np.float64]
Surrogate = NDArray[np.float32] | None
"""From the average of the last map, and a one, nearly to what was read: (channels + 1) x dimensions; None where the
average itself was read."""

# Viridis (van der Walt & Smith 2015, CC0) at ten even steps: lightness rises evenly, and its bright end, green and
# yellow, is what no Romanowsky stain shows.
_STOPS = np.array(
    [
        *((68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142)),
        *((31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37)),
    ],
    np.float64,
)
COLOURS: NDArray[np.uint8] = np.stack(
    [np.interp(np.linspace(0, 9, 256), np.arange(10), _STOPS[:, channel]) for channel in range(3)], axis=1
).astype(np.uint8)
"""Colour of heat 0 to 1: 256 x 3."""
_OPAQUE = 0.72
"""How much of the crop the greatest heat covers."""
MARGIN = 0.5
"""Of the triplet loss, in squared distance (the paper's)."""


# --- heat -------------------------------------------------------------------------------------------------


def class_heat(
    features: Features, reader: LinearClassifier, label: str, vector: Vector | None = None, surrogate: Surrogate = None
) -> Heat:
    """Where the evidence for a class lies; h x w, its largest value 1 (all zero where nothing speaks for it).

    Parameters
    ----------
    features
        The crop's last feature map (``Network.maps``).
    label
        One of the reader's classes, likely or not.
    vector
        What was read, where that is not quite what the map's average gives (see the module's docstring).
    surrogate
        The network's (``Network.surrogate``).

    Raises :class:`~hemosight.errors.UnknownName` for another label.
    """
    if label not in reader.classes:
        raise UnknownName(kind="the class", choices=", ".join(reader.classes), name=label)
    pooled = features.mean(axis=(1, 2), dtype=np.float64)
    if surrogate is not None:
        pooled = np.append(pooled, 1.0) @ surrogate.astype(np.float64)
    unit = _unit(pooled) if vector is None else _unit(np.asarray(vector, np.float64))
    # The part of what the map gives that lies along what was read; its length where the two are the same.
    length = max(float(pooled @ unit), 1e-12)
    slope = log_odds_slope(reader, label, unit)
    return _grad_cam_plus_plus(features, _behind((slope - unit * (unit @ slope)) / length, surrogate))


def likeness_heat(features: Features, like: Vector, unlike: Vector | None = None, surrogate: Surrogate = None) -> Heat:
    """Where a crop shows what another cell shows (``like``), and a third does not (``unlike``); h x w.

    The score is ``u . like - u . unlike``: minus half the change of the triplet loss with the anchor, before it is
    brought to unit length. Vectors are unit vectors, shape (dimensions,); ``surrogate`` as for :func:`class_heat`.
    """
    toward = _unit(np.asarray(like, np.float64))
    if unlike is not None:
        toward = toward - _unit(np.asarray(unlike, np.float64))
    return _grad_cam_plus_plus(features, _behind(toward, surrogate))


def _behind(slope: NDArray[np.float64], surrogate: Surrogate) -> NDArray[np.float64]:
    """A gradient at what was read -> one at the last map's average."""
    return slope if surrogate is None else surrogate[:-1].astype(np.float64) @ slope


def log_odds_slope(reader: LinearClassifier, label: str, unit: Vector) -> NDArray[np.float64]:
    """Gradient of ``log p / (1 - p)`` of a class at a vector; shape (dimensions,)."""
    own = reader.classes.index(label)
    others = [column for column in range(len(reader.classes)) if column != own]
    scores = reader.slope * (np.asarray(unit, np.float64) @ reader.weight + reader.bias)
    against = reader.weight[:, others] @ softmax(scores[others])
    return reader.slope * (reader.weight[:, own] - against)


def _grad_cam_plus_plus(features: Features, slope: NDArray[np.float64]) -> Heat:
    """``slope`` is dS/da; the heat is Chattopadhay's L over its maximum."""
    dim, height, width = features.shape
    area = height * width
    gradient = np.maximum(slope / area, 0.0)
    sums = features.sum(axis=(1, 2), dtype=np.float64)
    # g^2 / (2 g^2 + g^3 s) = 1 / (2 + g s) wherever g counts; channels that swing below zero may reach the pole.
    divisor = 2.0 + gradient * sums
    weights = area * gradient / np.where(np.abs(divisor) > 1e-9, divisor, 1.0)
    heat = np.maximum(weights @ features.reshape(dim, area).astype(np.float64), 0.0)
    return (heat / max(float(heat.max()), 1e-300)).reshape(height, width).astype(np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


# --- back onto the crop -----------------------------------------------------------------------------------


def onto_crop(
    heat: Heat,
    height: int,
    width: int,
    *,
    crop: int = 224,
    scale: float = 1.0,
    middle: tuple[float, float] | None = None,
) -> Heat:
    """Heat of the encoder's square -> heat of the crop it was cut from; height x width, 0 where it never looked.

    Parameters
    ----------
    height, width
        Of the decoded crop in its own pixels.
    crop
        Side of the centre square, in pixels at the reference scale (``Preprocessing.crop``).
    scale
        Factor that brought the crop's pixels to the reference scale.
    middle
        The point (y, x) of the crop, in its own pixels, that the square was cut around (``Preprocessing.middle``); its
        middle where None.
    """
    seen = crop / scale
    y, x = middle or (height / 2, width / 2)
    top, left = y - seen / 2, x - seen / 2
    rows, columns = np.arange(height) + 0.5 - top, np.arange(width) + 0.5 - left
    side = max(1, round(seen))
    fine = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
    fine = np.clip(fine, 0.0, 1.0)
    out = np.zeros((height, width), np.float32)
    inside_rows, inside_columns = (np.flatnonzero((at >= 0) & (at < seen)) for at in (rows, columns))
    from_rows, from_columns = (
        np.minimum((at[inside] * side / seen).astype(np.int64), side - 1)
        for at, inside in ((rows, inside_rows), (columns, inside_columns))
    )
    out[np.ix_(inside_rows, inside_columns)] = fine[np.ix_(from_rows, from_columns)]
    return out


def overlay(heat: Heat) -> NDArray[np.uint8]:
    """A layer to lay over the crop: RGBA, uint8, height x width x 4; clear where there is no heat."""
    bounded = np.clip(heat, 0.0, 1.0)
    layer = np.empty((*heat.shape, 4), np.uint8)
    layer[..., :3] = COLOURS[(bounded * 255).round().astype(np.uint8)]
    layer[..., 3] = (255 * _OPAQUE * bounded).round().astype(np.uint8)
    return layer


def blend(pixels: NDArray[np.uint8], heat: Heat) -> NDArray[np.uint8]:
    """The crop under its overlay: RGB, uint8, height x width x 3; ``heat`` has the crop's height and width."""
    layer = overlay(heat).astype(np.float64)
    opacity = layer[..., 3:] / 255
    return (pixels * (1 - opacity) + layer[..., :3] * opacity).round().astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """RGB or RGBA, uint8, height x width x 3 or 4 -> a PNG file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


# --- triplets worth looking at ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Triplet:
    """Row numbers of an anchor, a positive (same label) and a negative (another), and the triplet's loss."""

    anchor: int
    positive: int
    negative: int
    loss: float
    activation: float
    """Sum of the three feature maps."""


def informative_triplets(
    vectors: NDArray[np.float32],
    labels: NDArray[np.str_],
    activations: NDArray[np.floating],
    count: int,
    margin: float = MARGIN,
) -> list[Triplet]:
    """The triplets with the largest activation sum among those with a loss (the paper, Fig. 6).

    Each anchor and positive take their semi-hard negative: the nearest one that is farther than the positive.
    The loss is ``max(0, |a - p|^2 - |a - n|^2 + margin)``. An anchor is shown once, no cell in two triplets.

    Parameters
    ----------
    vectors
        Unit vectors, cells x dimensions.
    labels
        One a cell.
    activations
        Sum of each cell's feature map.
    """
    squared = np.maximum(2.0 - 2.0 * (vectors.astype(np.float64) @ vectors.T.astype(np.float64)), 0.0)
    same = labels[:, None] == labels
    found: list[Triplet] = []
    for anchor in range(len(labels)):
        others = np.flatnonzero(~same[anchor])
        for positive in np.flatnonzero(same[anchor]):
            if positive == anchor or not len(others):
                continue
            away = squared[anchor, others]
            farther = away > squared[anchor, positive]
            if not farther.any():
                continue
            negative = int(others[farther][away[farther].argmin()])
            loss = squared[anchor, positive] - squared[anchor, negative] + margin
            if loss > 0:
                total = float(activations[[anchor, positive, negative]].sum())
                found.append(Triplet(anchor, int(positive), negative, float(loss), total))
    found.sort(key=lambda triplet: (-triplet.activation, triplet.anchor, triplet.positive))
    shown: list[Triplet] = []
    used: set[int] = set()
    for triplet in found:
        cells = {triplet.anchor, triplet.positive, triplet.negative}
        if not cells & used:
            shown.append(triplet)
            used |= cells
        if len(shown) == count:
            break
    return shown
