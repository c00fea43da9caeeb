"""Packing: the held-out tenth never becomes support, and the figures are those of the bundle that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.network import Network
from hemosight.errors import BadSplit, TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.images.preprocess import Preprocessing
from hemosight.images.splits import Split, hold_out
from hemosight.lab import packing
from hemosight.lab.studies.study_data import StudyData, embed


@pytest.fixture(scope="module")
def network(tiny_onnx: bytes, tiny_preprocessing: Preprocessing) -> Network:
    return Network(tiny_onnx, tiny_preprocessing, threads=1)


@pytest.fixture(scope="module")
def embedded(drawn_catalog: Catalog, network: Network) -> StudyData:
    return embed(drawn_catalog, network, fraction=0.25, seed=3)


@pytest.fixture(scope="module")
def packed(embedded: StudyData, tiny_onnx: bytes, tiny_preprocessing: Preprocessing) -> Bundle:
    return packing.pack(
        embedded,
        name="drawn",
        version="1",
        network=tiny_onnx,
        backbone="one convolution",
        preprocessing=tiny_preprocessing,
        provenance={},
        commands=["hemosight pack --data drawn"],
    )


def test_the_split_is_that_of_the_whole_catalog(drawn_catalog: Catalog, embedded: StudyData) -> None:
    """Whoever trains an encoder holds out of the same catalog with the same seed, and must hold out the same cells."""
    held = set(drawn_catalog.take(hold_out(drawn_catalog, 0.25, 3).held).ids)
    assert {embedded.catalog.ids[row] for row in embedded.split.held} == held
    assert set(embedded.split.rest) | set(embedded.split.held) == set(range(len(embedded.catalog)))


def test_no_held_out_cell_becomes_support(packed: Bundle, embedded: StudyData) -> None:
    held = {embedded.catalog.ids[row] for row in embedded.split.held}
    assert held
    assert held.isdisjoint(packed.support.embeddings.ids)
    assert len(packed.support) == len(embedded.split.rest)


def test_the_figures_can_be_measured_again(packed: Bundle, embedded: StudyData, drawn_catalog: Catalog) -> None:
    """From the pictures, through the engine, as a stranger would."""
    held = embedded.catalog.take(embedded.split.held)
    readings = Engine(packed).classify(held.paths)
    right = np.mean([r.label == truth for r, truth in zip(readings, held.labels(), strict=True)])
    figures = packed.manifest.figures["held_out"]
    assert figures["accuracy"]["value"] == pytest.approx(right, abs=1e-5)
    assert figures["cells"] == len(held)
    confusion = np.array(figures["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(right)


@pytest.mark.slow
def test_a_bundle_of_two_laboratories_can_say_what_is_foreign(
    embedded: StudyData, tiny_onnx: bytes, tiny_preprocessing: Preprocessing
) -> None:
    sources = pl.Series([f"laboratory {row % 2}" for row in range(len(embedded))])
    two = replace(embedded, catalog=Catalog(embedded.catalog.table.with_columns(source=sources)))
    bundle = packing.pack(
        two,
        name="two",
        version="1",
        network=tiny_onnx,
        backbone="one convolution",
        preprocessing=tiny_preprocessing,
        provenance={},
        with_familiarity=True,
    )
    facts = bundle.manifest.familiarity
    assert facts["fitted_on"] == ["laboratory 0", "laboratory 1"]
    assert set(facts["share_unfamiliar"]) == set(facts["calibration_error"]) == {"laboratory 0", "laboratory 1", "home"}
    assert bundle.familiarity is not None
    assert bundle.familiarity.limit > 0.5
    assert set(bundle.manifest.figures["held_out"]["by_source"]) == {"laboratory 0", "laboratory 1"}


def test_each_source_has_its_figures_and_says_how_it_was_split(embedded: StudyData) -> None:
    held = embedded.catalog.take(embedded.split.held)
    half = np.arange(len(held)) % 2 == 0
    patients = pl.Series([f"p{k % 3}" if here else None for k, here in enumerate(half)])
    source = pl.Series(["hospital" if here else "pictures" for here in half])
    catalog = Catalog(held.table.with_columns(patient=patients, source=source))
    truth = [str(label) for label in catalog.labels()]
    sure = np.where(half, 1.0, 0.75)
    found = packing.by_source(catalog, truth, sure)
    assert set(found) == {"hospital", "pictures"}
    assert (found["hospital"]["split"], found["pictures"]["split"]) == ("by patient", "by image")
    assert found["hospital"]["cells"] == int(half.sum())
    assert (found["hospital"]["patients"], found["pictures"]["patients"]) == (3, 0)
    assert found["pictures"]["macro_f1"]["value"] == 1.0
    assert (found["hospital"]["calibration_error"], found["pictures"]["calibration_error"]) == (0.0, 0.25)
    wrong = packing.by_source(catalog, ["none of them"] * len(catalog), sure)
    assert wrong["hospital"]["accuracy"]["value"] == 0.0
    if "blast" in truth:
        assert any(facts.get("blasts", {}).get("found", {}).get("value") == 0.0 for facts in wrong.values())


def test_calibration_bins_add_up_to_the_error(packed: Bundle) -> None:
    figures = packed.manifest.figures["held_out"]
    bins = figures["reliability"]
    assert sum(one["cells"] for one in bins) == figures["cells"]
    gap = sum(one["cells"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / figures["cells"]
    assert gap == pytest.approx(figures["calibration_error"], abs=1e-4)


def test_label_efficiency_ends_with_all_labels(packed: Bundle, embedded: StudyData) -> None:
    rows = packed.manifest.figures["label_efficiency"]
    labels = [row["labels"] for row in rows]
    assert labels == sorted(labels)
    assert labels[-1] == pytest.approx(0.8 * len(embedded.split.rest), abs=1), "four folds of five"
    assert all(row["low"] <= row["macro_f1"] <= row["high"] <= 1 for row in rows)
    assert rows[-1]["macro_f1"] > rows[0]["macro_f1"], "more labels, a better reading of drawn cells"


def test_official_test_rows_lend_no_attributes(embedded: StudyData, packed: Bundle) -> None:
    nucleus = packed.support.labels["nucleus_shape"]
    assert any(nucleus), "a drawn smear has no official split: its attributes are used"
    official = embedded.catalog.table.with_columns(official_split=pl.lit("test"))
    support = packing.support_of(Catalog(official), embedded.embeddings)
    assert not any(support.labels["nucleus_shape"])
    assert all(support.labels["cell_type"])


def test_nothing_labelled_is_a_clear_error(drawn_catalog: Catalog, network: Network) -> None:
    unlabelled = Catalog(drawn_catalog.table.with_columns(label=pl.lit(None, pl.String)))
    with pytest.raises(TooFewLabels):
        embed(unlabelled, network)


def test_measured_again_the_figures_are_the_same(packed: Bundle, embedded: StudyData) -> None:
    blank = packed.with_figures({})
    assert packing.measured(blank, embedded).manifest.figures == packed.manifest.figures
    assert blank.manifest.figures == {}


def test_a_bundle_is_not_measured_on_cells_it_was_labelled_with(packed: Bundle, embedded: StudyData) -> None:
    other = replace(embedded, split=Split(rest=embedded.split.held, held=embedded.split.rest))
    with pytest.raises(BadSplit, match="among its labelled cells"):
        packing.measured(packed, other)


@pytest.mark.slow
def test_a_map_is_added_and_measured_on_cells_it_never_saw(packed: Bundle, embedded: StudyData) -> None:
    assert packed.landscape is None
    assert packed.manifest.landscape == {}
    held = embedded.split.held
    mapped = packing.with_landscape(packed, embedded.embeddings.take(held), embedded.catalog.take(held).labels())
    assert mapped.landscape is not None
    assert len(mapped.landscape) == len(packed.support)
    assert mapped.manifest.landscape["placed"]["cells"] == len(held)
    assert 0 < mapped.manifest.landscape["placed"]["purity"] <= 1
    assert mapped.manifest.figures == packed.manifest.figures, "nothing else changes"
    assert mapped.manifest.created == packed.manifest.created


def test_what_the_bundle_has_not_seen(packed: Bundle, drawn_catalog: Catalog, embedded: StudyData) -> None:
    held = embedded.catalog.take(embedded.split.held)
    cells, labels = packing.unseen(packed, drawn_catalog)
    assert dict(zip(cells.ids, labels, strict=True)) == dict(zip(held.ids, held.labels(), strict=True))
    assert cells.vectors[cells.rows(held.ids)] == pytest.approx(
        embedded.embeddings.take(embedded.split.held).vectors, abs=1e-5
    )
