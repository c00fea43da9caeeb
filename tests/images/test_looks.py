"""What pictures look like in three numbers: they move with stain and scale, and not with which files are broken."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hemosight.images.looks import PictureLooks, looks
from hemosight.images.synthetic import draw_cell


def drawn(count: int, *, red: float = 1.0, light: float = 1.0) -> list[np.ndarray]:
    """Drawn crops, their red channel and their brightness changed."""
    gains = np.array([red, 1.0, 1.0]) * light
    cells = [draw_cell("neutrophil", np.random.default_rng(seed)).pixels for seed in range(count)]
    return [np.clip(pixels * gains, 0, 255).astype(np.uint8) for pixels in cells]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.slow
def test_colour_and_brightness_follow_what_was_done_to_the_pictures() -> None:
    usual, redder, darker = looks(drawn(6)), looks(drawn(6, red=0.8)), looks(drawn(6, light=0.8))
    assert usual.colour is not None
    assert redder.colour is not None
    assert darker.light is not None
    assert usual.light is not None
    assert redder.colour - usual.colour == pytest.approx(np.log(0.8), abs=0.02)
    assert darker.light - usual.light == pytest.approx(np.log(0.8), abs=0.02)
    assert darker.colour == pytest.approx(usual.colour, abs=0.02), "a weaker lamp is no other stain"


def test_files_are_looked_at_as_pixels_are_and_broken_ones_passed_over() -> None:
    pixels = drawn(4)
    assert looks([*map(png, pixels), b"no picture"]) == looks(pixels)
    assert looks([b"no picture", b""]) == PictureLooks(None, None, None)
    assert looks([]) == PictureLooks(None, None, None)
