from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hemosight.errors import UnknownName
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels, decode
from hemosight.images.preprocess import grey_world
from hemosight.images.synthetic import (
    ATTRIBUTES,
    CELL_TYPES,
    TYPICAL,
    DrawnCell,
    Scanner,
    Stain,
    choose_attributes,
    draw_cell,
    draw_smear,
)

Mask = NDArray[np.bool_]

TRAIN, HELD_OUT = 7, 4
SIDE = 200


def optical_density(pixels: Pixels) -> NDArray[np.float64]:
    """Against the brightest of the picture, as a measurer without knowledge of the scanner would."""
    white = np.percentile(pixels.reshape(-1, 3), 98, axis=0)
    return -np.log10(np.clip(pixels, 2, 255) / np.maximum(white, 1))


def middle_piece(mask: Mask) -> Mask:
    """The parts of a mask whose centre lies near the picture's: one cell's nucleus, all its lobes."""
    pieces, count = labelled(mask)
    centres = ndimage.center_of_mass(mask, pieces, range(1, count + 1))
    middle = np.array(mask.shape) / 2
    keep = [n for n, c in enumerate(centres, 1) if np.hypot(*(np.array(c) - middle)) < 50]
    return np.isin(pieces, keep)


def labelled(mask: Mask) -> tuple[NDArray[np.int32], int]:
    pieces = np.zeros(mask.shape, np.int32)
    return pieces, int(np.asarray(ndimage.label(mask, output=pieces)))


def outline(mask: Mask) -> float:
    return float(np.logical_xor(mask, ndimage.binary_erosion(mask)).sum())


def features(pixels: Pixels) -> NDArray[np.float64]:
    """What a beginner would measure: area and colour of what is dark, and of what lies close around it."""
    density = ndimage.gaussian_filter(optical_density(grey_world(pixels)), (1, 1, 0))
    dark = middle_piece(density[..., 0] > 0.34)
    if not dark.any():
        return np.zeros(10)
    away = np.asarray(ndimage.distance_transform_edt(np.logical_not(dark)))
    around = (away > 3) & (away < 10)
    body = np.asarray(ndimage.binary_fill_holes(dark | (around & (density[..., 1] > 0.1))))
    area = dark.sum()
    return np.array(
        [
            np.sqrt(area) / 20,
            np.sqrt(body.sum()) / 20,
            outline(dark) / np.sqrt(area) / 4,
            *(4 * density[dark].mean(axis=0)),
            *(8 * density[around].mean(axis=0)),
            12 * density[dark][:, 1].std(),
        ]
    )


def nearest(known: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.intp]:
    """The class whose mean is nearest; known is classes x cells x features, each feature in its own deviations."""
    deviation = np.sqrt(known.var(axis=1).mean(axis=0))
    return np.linalg.norm((points[:, None] - known.mean(axis=1)) / deviation, axis=2).argmin(axis=1)


@pytest.fixture(scope="module")
def drawn() -> Mapping[str, list[DrawnCell]]:
    rng = np.random.default_rng(2024)
    return {
        label: [draw_cell(label, rng, stain=Stain.random(rng), size=SIDE) for _ in range(TRAIN + HELD_OUT)]
        for label in CELL_TYPES
    }


# --- what makes it a drawing of a cell --------------------------------------------------------------------


@pytest.mark.slow
def test_types_can_be_told_apart_on_held_out_drawings(drawn):
    measured = np.array([[features(cell.pixels) for cell in drawn[label]] for label in CELL_TYPES])
    found = nearest(measured[:, :TRAIN], measured[:, TRAIN:].reshape(-1, measured.shape[-1])).reshape(
        len(CELL_TYPES), -1
    )
    right = (found == np.arange(len(CELL_TYPES))[:, None]).mean(axis=1)
    assert right.mean() > 0.65  # by chance 0.11
    # Such coarse measures may take the large cells with one big nucleus for each other, but for nothing else.
    large = np.isin(CELL_TYPES, ["blast", "ig", "monocyte"])
    assert right[~large].mean() > 0.8
    assert large[found[large]].mean() > 0.8


@pytest.mark.slow
def test_nuclear_share_is_that_of_the_type(drawn):
    def share(cell: DrawnCell) -> float:
        # Everything stained that touches the middle; small crops of big cells hold few red cells in contact.
        stained = np.asarray(ndimage.binary_fill_holes(optical_density(cell.pixels)[..., 0] > 0.04))
        body = middle_piece(np.asarray(ndimage.binary_opening(stained, iterations=3), np.bool_))
        return dark(cell.pixels) / max(float(body.sum()), 1.0)

    median = {label: np.median([share(cell) for cell in drawn[label][:6]]) for label in CELL_TYPES}
    for packed in ("lymphocyte", "blast"):
        for loose in ("neutrophil", "eosinophil", "monocyte"):
            assert median[packed] > median[loose] + 0.1, (packed, loose)


@pytest.mark.slow
def test_platelets_are_smaller_than_everything(drawn):
    largest = max(dark(cell.pixels) for cell in drawn["platelet"])
    for label in CELL_TYPES:
        if label != "platelet":
            assert np.median([dark(cell.pixels) for cell in drawn[label]]) > largest, label


@pytest.mark.slow
def test_eosinophil_granules_are_redder_than_basophil_granules(drawn):
    def granules(cell: DrawnCell) -> float:
        density = optical_density(cell.pixels)
        coloured = within(cell.pixels, 45) & (density[..., 1] > 0.22) & (density[..., 0] < 0.36)
        return float(np.median(density[..., 1][coloured] / density[..., 0][coloured]))

    assert min(map(granules, drawn["eosinophil"])) > max(map(granules, drawn["basophil"]))


@pytest.mark.slow
def test_pictures_look_like_smears(drawn):
    for cells in drawn.values():
        for cell in cells:
            assert cell.pixels.shape == (SIDE, SIDE, 3)
            assert cell.pixels.dtype == np.uint8
            red, green, blue = np.percentile(cell.pixels.reshape(-1, 3), 97, axis=0)
            assert red > green > blue > 180  # the reference scanner's warm glass


# --- attributes -------------------------------------------------------------------------------------------


def pairs(label: str, name: str, one: str, other: str, count: int = 4, **rest: str) -> list[tuple[Pixels, Pixels]]:
    """The same cells drawn with one and with another value of an attribute."""

    def draw(seed: int, value: str) -> Pixels:
        given = {"cell_shape": "round", **rest, name: value}
        return draw_cell(label, np.random.default_rng(seed), attributes=given, size=SIDE).pixels

    return [(draw(seed, one), draw(seed, other)) for seed in range(count)]


def within(pixels: Pixels, radius: float) -> Mask:
    """Pixels around the middle."""
    y, x = np.indices(pixels.shape[:2]) + 0.5 - SIDE / 2
    return np.hypot(x, y) < radius


def cytoplasm(pixels: Pixels) -> NDArray[np.float64]:
    """Optical densities, n x 3, of what is stained around the middle and well away from any nucleus."""
    density = optical_density(pixels)
    nucleus = ndimage.gaussian_filter(density[..., 0], 2) > 0.36
    away = np.asarray(ndimage.distance_transform_edt(np.logical_not(nucleus)))
    return density[within(pixels, 48) & (away > 6) & (density[..., 1] > 0.06)]


def dark(pixels: Pixels) -> float:
    """Area of the nucleus, in pixels."""
    return float(middle_piece(ndimage.gaussian_filter(optical_density(pixels)[..., 0], 2) > 0.36).sum())


def wrinkles(pixels: Pixels) -> float:
    """Length of the nucleus's outline relative to the root of its area."""
    mask = middle_piece(ndimage.gaussian_filter(optical_density(pixels)[..., 0], 2) > 0.36)
    return outline(mask) / np.sqrt(mask.sum())


def depth(pixels: Pixels) -> float:
    """Optical density of the cytoplasm in red light."""
    return float(np.median(cytoplasm(pixels)[:, 0]))


def redness(pixels: Pixels) -> float:
    """How much more green than red light the cytoplasm and its granules swallow."""
    density = np.median(cytoplasm(pixels), axis=0)
    return float(density[1] / density[0])


def nuclear_darkness(pixels: Pixels) -> float:
    return float(np.median(optical_density(pixels)[within(pixels, 15)][:, 0]))


def grain(pixels: Pixels) -> float:
    """Fine contrast of the cytoplasm."""
    density = optical_density(pixels)[..., 0]
    ring = within(pixels, 46) & (ndimage.maximum_filter(density, 9) < 0.45)
    return float((density - ndimage.gaussian_filter(density, 3))[ring].std())


def holes(pixels: Pixels) -> float:
    """Share of the cell's disc that is as clear as glass."""
    return float((optical_density(pixels)[within(pixels, 52)][:, 1] < 0.1).mean())


@pytest.mark.parametrize(
    ("label", "name", "more", "less", "measure", "rest"),
    [
        ("neutrophil", "cell_size", "big", "small", dark, {}),
        ("monocyte", "nuclear_cytoplasmic_ratio", "high", "low", dark, {}),
        ("neutrophil", "nucleus_shape", "segmented-multilobed", "unsegmented-round", wrinkles, {}),
        ("monocyte", "nucleus_shape", "unsegmented-indented", "unsegmented-round", wrinkles, {}),
        ("blast", "chromatin_density", "densely", "loosely", nuclear_darkness, {}),
        ("monocyte", "cytoplasm_vacuole", "yes", "no", holes, {"cell_size": "big"}),
        ("monocyte", "cytoplasm_texture", "frosted", "clear", grain, {"cytoplasm_vacuole": "no"}),
        ("monocyte", "cytoplasm_colour", "blue", "light blue", depth, {"cytoplasm_vacuole": "no"}),
        ("monocyte", "cytoplasm_colour", "purple blue", "light blue", depth, {"cytoplasm_vacuole": "no"}),
        ("monocyte", "cytoplasm_colour", "purple blue", "blue", redness, {"cytoplasm_vacuole": "no"}),
        ("eosinophil", "granule_colour", "red", "pink", redness, {}),
        ("neutrophil", "granule_type", "coarse", "small", dark, {"granule_colour": "purple"}),
        ("neutrophil", "granularity", "yes", "no", grain, {}),
    ],
)
def test_an_attribute_shows(label, name, more, less, measure, rest):
    measured = [(measure(one), measure(other)) for one, other in pairs(label, name, more, less, **rest)]
    assert np.mean([one for one, _ in measured]) > 1.05 * np.mean([other for _, other in measured]), measured


def test_cell_shape_shows():
    def roundness(shape: str, seed: int) -> float:
        # A nucleus that fills the cell carries its outline.
        given = {"cell_shape": shape, "nuclear_cytoplasmic_ratio": "high", "nucleus_shape": "unsegmented-round"}
        pixels = draw_cell("blast", np.random.default_rng(seed), attributes=given, size=SIDE).pixels
        rows, columns = np.nonzero(middle_piece(optical_density(pixels)[..., 0] > 0.2))
        spread = np.linalg.eigvalsh(np.cov(rows, columns))
        return float(spread[0] / spread[1])

    seeds = range(6)
    assert np.mean([roundness("round", s) for s in seeds]) > np.mean([roundness("irregular", s) for s in seeds])


@given(st.sampled_from(CELL_TYPES), st.integers(0, 2**32), st.data())
@settings(max_examples=80, deadline=None)
def test_chosen_attributes_are_of_the_list_and_consistent(label, seed, data):
    name = data.draw(st.sampled_from(sorted(TYPICAL[label])))
    value = data.draw(st.sampled_from(ATTRIBUTES[name]))
    chosen = choose_attributes(label, np.random.default_rng(seed), {name: value})
    assert chosen[name] == value
    assert set(chosen) == set(TYPICAL[label])
    assert all(chosen[n] in ATTRIBUTES[n] for n in chosen)
    nil = {chosen["granularity"] == "no", chosen["granule_type"] == "nil", chosen["granule_colour"] == "nil"}
    assert len(nil) == 1
    plain = choose_attributes(label, np.random.default_rng(seed))
    if name not in ("granularity", "granule_type", "granule_colour"):
        assert {n for n in chosen if chosen[n] != plain[n]} <= {name}


def test_frequencies_are_the_types():
    rng = np.random.default_rng(0)
    chosen = [choose_attributes("monocyte", rng) for _ in range(1500)]
    indented = np.mean([c["nucleus_shape"] == "unsegmented-indented" for c in chosen])
    assert indented == pytest.approx(0.75, abs=0.05)
    assert np.mean([c["cytoplasm_vacuole"] == "yes" for c in chosen]) == pytest.approx(0.46, abs=0.05)


def test_every_type_has_weights_for_its_attributes():
    assert set(TYPICAL) == set(CELL_TYPES)
    for label, typical in TYPICAL.items():
        nuclear = {"nucleus_shape", "nuclear_cytoplasmic_ratio", "chromatin_density"}
        assert set(ATTRIBUTES) - set(typical) == (nuclear if label == "platelet" else set())
        for name, weights in typical.items():
            assert set(weights) <= set(ATTRIBUTES[name])


@pytest.mark.parametrize(
    ("label", "attributes"),
    [
        ("thrombocyte", {}),
        ("monocyte", {"cell_size": "huge"}),
        ("monocyte", {"colour": "blue"}),
        ("platelet", {"nucleus_shape": "unsegmented-round"}),
        ("monocyte", {"granularity": "no", "granule_type": "coarse"}),
        ("neutrophil", {"granule_colour": "nil", "granule_type": "small"}),
    ],
)
def test_what_cannot_be_drawn_is_said(label, attributes):
    with pytest.raises(UnknownName):
        draw_cell(label, np.random.default_rng(0), attributes=attributes)


# --- seeds, stains, scanners ------------------------------------------------------------------------------


def test_same_seed_same_picture_other_seed_other_picture():
    one, same, other = (draw_cell("ig", np.random.default_rng(seed), size=120) for seed in (5, 5, 6))
    assert one.pixels.tobytes() == same.pixels.tobytes()
    assert one.attributes == same.attributes
    assert (one.pixels != other.pixels).mean() > 0.5


def red_cell_widths(pixels: Pixels) -> list[float]:
    """Equivalent diameters, in pixels, of red cells that touch neither each other nor the border."""
    density = optical_density(pixels)
    mask = np.asarray(ndimage.binary_fill_holes(ndimage.gaussian_filter(density[..., 1], 1) > 0.06))
    pieces, _ = labelled(mask)
    side, widths = pixels.shape[0], []
    for n, window in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[window] == n
        inside = all(axis.start > 0 and axis.stop < side for axis in window)
        full = piece.sum() / (np.pi / 4 * piece.shape[0] * piece.shape[1])
        red = density[window][..., 0][piece].max() < 0.2
        if inside and red and 0.93 < full < 1.07 and max(piece.shape) < 1.2 * min(piece.shape):
            widths.append(float(2 * np.sqrt(piece.sum() / np.pi)))
    return widths


@pytest.mark.slow
def test_red_cells_are_as_wide_as_the_scanner_says():
    def median_width(scanner: Scanner, size: int) -> float:
        widths = [
            width
            for seed in range(5)
            for width in red_cell_widths(
                draw_cell("platelet", np.random.default_rng(seed), scanner=scanner, size=size).pixels
            )
        ]
        assert len(widths) > 8
        return float(np.median(widths))

    reference = median_width(Scanner.reference(), 360)
    assert reference == pytest.approx(77, rel=0.08)
    finer = Scanner.reference().with_scale(0.73)
    assert finer.scale == pytest.approx(0.73)
    assert median_width(finer, round(360 / 0.73)) == pytest.approx(reference / 0.73, rel=0.03)


def test_one_cell_under_two_scanners_is_one_cell():
    finer = Scanner.reference().with_scale(0.5)
    small = draw_cell("monocyte", np.random.default_rng(9), size=180)
    large = draw_cell("monocyte", np.random.default_rng(9), scanner=finer, size=360)
    assert small.attributes == large.attributes
    shrunk = np.asarray(Image.fromarray(large.pixels).resize((180, 180), Image.Resampling.BOX))
    assert np.abs(shrunk.astype(float) - small.pixels).mean() < 5


def test_stain_and_scanner_do_what_their_parameters_say():
    def draw(stain: Stain | None = None, scanner: Scanner | None = None) -> NDArray[np.float64]:
        cell = draw_cell("eosinophil", np.random.default_rng(4), stain=stain, scanner=scanner, size=150)
        return cell.pixels.astype(float)

    plain = draw()
    change = (draw(Stain(eosin=1.4)) - plain).mean(axis=(0, 1))
    assert change[1] < change[0] < 0  # eosin swallows green light
    redder, bluer = (draw(Stain(hue=hue)).mean(axis=(0, 1)) for hue in (0.2, -0.2))
    assert redder[0] - redder[2] > bluer[0] - bluer[2]
    assert draw(scanner=Scanner(contrast=1.3)).mean() < plain.mean()
    assert draw(scanner=Scanner(white=(0.9, 0.9, 0.95)))[..., 2].mean() > plain[..., 2].mean()

    def detail(pixels: NDArray[np.float64]) -> float:
        return float(np.abs(ndimage.laplace(pixels.mean(axis=2))).mean())

    assert detail(draw(scanner=Scanner(blur=1.5))) < detail(plain) < detail(draw(scanner=Scanner(noise=6)))
    assert len(Scanner(jpeg_quality=50).export(plain.astype(np.uint8))) < len(Scanner().export(plain.astype(np.uint8)))


@given(st.integers(0, 2**32))
@settings(max_examples=9, deadline=None)
def test_any_stain_and_scanner_draw_a_readable_picture(seed):
    rng = np.random.default_rng(seed)
    scanner = Scanner.random(rng)
    label = CELL_TYPES[seed % len(CELL_TYPES)]
    cell = draw_cell(label, rng, stain=Stain.random(rng), scanner=scanner, size=int(rng.integers(64, 200)))
    assert decode(scanner.export(cell.pixels)).shape == cell.pixels.shape
    assert np.ptp(cell.pixels) > 60  # something stands out


# --- folders ----------------------------------------------------------------------------------------------


def test_a_smear_is_a_folder_the_catalog_reads(tmp_path):
    paths = draw_smear(tmp_path, {"platelet": 2, "lymphocyte": 1}, seed=3, size=96)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "lymphocyte/lymphocyte_0001.jpg",
        "platelet/platelet_0001.jpg",
        "platelet/platelet_0002.jpg",
    ]
    catalog = Catalog.read(tmp_path / "labels.csv")
    assert catalog.paths == paths
    assert catalog.labels() == ["lymphocyte", "platelet", "platelet"]
    assert set(catalog.attributes) == set(ATTRIBUTES)
    assert catalog.labels("nucleus_shape")[1:] == [None, None]
    assert len(catalog.readable()) == 3
    scanned = Catalog.scan([{"path": str(path)} for path in paths])
    assert scanned.ids == catalog.ids
    assert scanned.table.select("width", "height").equals(catalog.table.select("width", "height"))


def test_a_smear_is_resumed_extended_and_redrawn(tmp_path):
    def snapshot() -> dict[str, tuple[bytes, int]]:
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(tmp_path.rglob("*.jpg"))}

    draw_smear(tmp_path, {"platelet": 3}, seed=1, size=64)
    table = (tmp_path / "labels.csv").read_bytes()
    before = snapshot()
    draw_smear(tmp_path, {"platelet": 3}, seed=1, size=64)
    assert snapshot() == before  # nothing was written again
    assert (tmp_path / "labels.csv").read_bytes() == table

    damaged, lost, _ = sorted(tmp_path.rglob("*.jpg"))
    damaged.write_bytes(b"\xff\xd8\xff nonsense")
    lost.unlink()
    seen: list[tuple[int, int]] = []
    draw_smear(tmp_path, {"platelet": 4}, seed=1, size=64, progress=lambda done, of: seen.append((done, of)))
    after = snapshot()
    assert {name: after[name][0] for name in before} == {name: before[name][0] for name in before}
    assert len(after) == 4
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert not list(tmp_path.rglob("*.part"))

    draw_smear(tmp_path, {"platelet": 1}, seed=2, size=64)
    assert (tmp_path / "platelet/platelet_0001.jpg").read_bytes() != before["platelet_0001.jpg"][0]
    assert pl.read_csv(tmp_path / "labels.csv").height == 1


def test_a_smear_of_an_unknown_type_is_refused(tmp_path):
    with pytest.raises(UnknownName):
        draw_smear(tmp_path, {"blasts": 2}, seed=0)
    assert not list(tmp_path.iterdir())


# --- beside real crops ------------------------------------------------------------------------------------


@pytest.mark.data
def test_real_cells_resemble_the_drawings_of_their_type(drawn):
    folder = os.environ.get("HEMOSIGHT_DATA")
    if not folder:
        pytest.skip("HEMOSIGHT_DATA is not set")
    measured = np.array([[features(cell.pixels) for cell in drawn[label]] for label in CELL_TYPES])
    right = []
    for label in CELL_TYPES:
        crops = sorted((Path(folder) / "PBC_dataset_normal_DIB" / label).glob("*.jpg"))[:15]
        for crop in crops:
            pixels = decode(crop.read_bytes())
            top, left = (pixels.shape[0] - SIDE) // 2, (pixels.shape[1] - SIDE) // 2
            found = nearest(measured, features(pixels[top : top + SIDE, left : left + SIDE])[None])[0]
            right.append(CELL_TYPES[found] == label)
    assert np.mean(right) > 0.4  # by chance 0.11, with measures a beginner would take
