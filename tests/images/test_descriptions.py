"""Descriptions of TIFF files that are made to cost time: what one picture says costs no more than its own row."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from hemosight.images.decode import decode


@pytest.mark.timeout(60)  # reading every tag to the end of the description took minutes, and held every other thread
@pytest.mark.parametrize("tag", ["<Pixels ", "<Channel ", '<Channel Name="'])
def test_a_description_of_unfinished_tags_is_read_like_any_other(tag: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", description=tag * 100_000 + "</OME>", metadata=None)
    assert (decode(file.getvalue()) == pixels).all()
