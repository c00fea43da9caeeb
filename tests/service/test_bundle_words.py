"""What the model page shows of a bundle: no place on somebody's machine, and laboratories by their names."""

from __future__ import annotations

import json
import re

import pytest

import hemosight
from hemosight.service.bundle_words import figures_in_words, laboratories, laboratory, masked, split_in_words


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "hemosight train --cache /home/amina/pixels --out runs/four",
            "hemosight train --cache …/pixels --out runs/four",
        ),
        ("--data=/srv/cells/", "--data=…/cells"),
        ("'/mnt/a b'", "'…/a b'"),
        ("--left-out jhu=/scratch/runs/no_jhu", "--left-out jhu=…/no_jhu"),
        (
            "$HEMOSIGHT_DATA/pbc and https://doi.org/10.7937/tcia.2019",
            "$HEMOSIGHT_DATA/pbc and https://doi.org/10.7937/tcia.2019",
        ),
        ("nearest 3/4, 10.7937/tcia", "nearest 3/4, 10.7937/tcia"),
    ],
)
def test_of_a_path_from_the_root_the_last_part_is_left(said: str, shown: str) -> None:
    assert masked({"command": [said, 7, None]}) == {"command": [shown, 7, None]}


def test_the_bundle_that_is_shipped_names_no_place() -> None:
    manifest = hemosight.load().bundle.manifest.model_dump(mode="json")
    shown = json.dumps(
        [masked(manifest[name]) for name in ("commands", "encoder_provenance")]
        + [figures_in_words(manifest["figures"], manifest["sources"])],
        ensure_ascii=False,
    )
    for root in ("/home", "/root", "/tmp", "/mnt", "/srv"):  # noqa: S108 -- looked for, not used
        assert root not in shown
    assert re.search(r"--cache \S*/", shown) is None or "--cache \u2026/" in shown
    assert "hemosight train --data $HEMOSIGHT_DATA" in shown, "what can be repeated is still there"
    held = figures_in_words(manifest["figures"], manifest["sources"])["held_out"]
    assert held["split"].startswith("by patient or slide: Chulalongkorn University, Johns Hopkins Hospital; by image:")
    assert not set(laboratories(manifest["sources"])) & set(held["split"].replace(",", " ").split())


def test_a_laboratory_is_what_a_title_ends_with() -> None:
    assert laboratory("DeepAPL: cells of patients, Johns Hopkins Hospital") == "Johns Hopkins Hospital"
    assert laboratory("Munich AML morphology data set (AML-Cytomorphology_LMU)") == "Munich AML morphology data set"
    assert laboratory("home") == "home"
    assert split_in_words("by image", {"image": "x"}) == "by x"
    assert split_in_words("by patient", {}) == "by patient"
    assert split_in_words("by patient: a; by image: b", {"a": "A Lab"}) == "by patient or slide: A Lab; by image: b"
