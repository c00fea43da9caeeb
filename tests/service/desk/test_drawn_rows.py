"""Which cells are outside of their case's drawn ones: found for all cases at once, as case by case."""

from __future__ import annotations

import numpy as np

from hemosight.service.desk.image_columns import ImageColumns


def _one_by_one(images: ImageColumns, chosen: dict[int, list[int]]) -> list[bool]:
    """Cell by cell."""
    pairs = zip(images.ids[: images.count].tolist(), images.case[: images.count].tolist(), strict=True)
    return [case in chosen and image not in chosen[case] for image, case in pairs]


def test_every_draw_is_told_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        images = ImageColumns(2)
        ids = rng.permutation(np.arange(1, 301))
        cases = [None if case == 0 else case for case in rng.integers(0, 8, len(ids)).tolist()]
        images.add(ids.tolist(), cases, 1)
        chosen = {
            # Some of the case's own, of other cases (those were moved since), and of none any more.
            case: rng.choice(400, size=rng.integers(0, 120), replace=False).tolist()
            for case in rng.permutation(10)[:6].tolist()
        }
        before = images.outside.copy()
        images.set_counted(chosen, 7)
        assert images.outside[: images.count].tolist() == _one_by_one(images, chosen)
        assert (images.stamp[: images.count] == np.where(images.outside != before, 7, 1)[: images.count]).all()
        images.set_counted({}, 9)
        assert not images.outside.any()


def test_no_case_and_no_cell_are_fine() -> None:
    images = ImageColumns(2)
    images.set_counted({}, 1)
    images.set_counted({3: []}, 1)
    images.add([5], [3], 2)
    images.set_counted({3: []}, 4)
    assert images.outside[:1].tolist() == [True]
