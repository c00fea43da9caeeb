from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hemosight.errors import BadSplit
from hemosight.images import sources
from hemosight.images.catalog import Catalog
from hemosight.images.laboratory_splits import described, hold_out_by_source, is_held_patient, units
from hemosight.images.splits import hold_out


def make(source: str, cells: int, patients: int = 0, start: int = 0) -> pl.DataFrame:
    """Cells of two labels; ``patients`` own them in turn, where there are any."""
    number = range(start, start + cells)
    return pl.DataFrame(
        {
            "id": [f"{source}{k:05d}" for k in number],
            "path": [f"{source}/{k}.png" for k in number],
            "label": [("neutrophil", "blast")[k % 3 == 0] for k in number],
            "source": source,
            "patient": [f"Patient_{k % patients:02d}" if patients else None for k in number],
        },
        schema_overrides={"patient": pl.String},
    )


def joined(*tables: pl.DataFrame) -> Catalog:
    return Catalog(pl.concat(tables))


def held_ids(catalog: Catalog, **options: int | float) -> set[str]:
    return set(catalog.take(hold_out_by_source(catalog, **options).held).ids)  # pyright: ignore[reportArgumentType]


def test_barcelonas_and_munichs_tenth_stays_what_it_was_whatever_stands_beside_it() -> None:
    home = joined(make("pbc", 400), make("lmu_aml", 60))
    before = set(home.take(hold_out(home, 0.1, 0).held).ids)
    everything = joined(
        make("jhu_aml", 300, 30), make("lmu_aml", 60), make("mine", 50), make("pbc", 400), make("chula", 80, 9)
    )
    after = {cell for cell in held_ids(everything) if cell.startswith(("pbc", "lmu_aml"))}
    assert len(before) == 46
    assert after == before


def test_a_patient_stands_on_one_side_told_by_the_name_alone() -> None:
    catalog = joined(make("jhu_aml", 1060, 106), make("pbc", 100))
    split = hold_out_by_source(catalog)
    patient = catalog.table["patient"]
    sides = [set(patient.gather(rows).drop_nulls()) for rows in (split.held, split.rest)]
    assert not sides[0] & sides[1]
    expected = {p for p in sides[0] | sides[1] if int(hashlib.sha256(p.encode()).hexdigest(), 16) % 4 == 0}
    assert sides[0] == expected
    assert 0.15 < len(sides[0]) / 106 < 0.35
    # Other patients beside them move nobody.
    fewer = joined(make("jhu_aml", 530, 53))
    theirs = set(fewer.table["patient"].gather(hold_out_by_source(fewer).held))
    assert theirs == {p for p in sides[0] if int(p.removeprefix("Patient_")) < 53}


def test_few_patients_do_not_take_a_common_type_away_from_learning() -> None:
    """Sixty lymphocytes of a patient whom the rule holds out, fifteen of another: the other one is held out."""
    names = [f"Patient_{k:02d}" for k in range(40)]
    held_name = next(name for name in names if is_held_patient(name))
    others = [name for name in names if not is_held_patient(name)][:5]
    cells = [(held_name, "lymphocyte")] * 60 + [(others[0], "lymphocyte")] * 15
    cells += [(name, "neutrophil") for name in others[1:] for _ in range(30)]
    table = make("small", len(cells)).with_columns(
        patient=pl.Series([name for name, _ in cells]), label=pl.Series([label for _, label in cells])
    )
    split = hold_out_by_source(Catalog(table))
    patient, label = (table[name] for name in ("patient", "label"))
    assert not set(patient.gather(split.held)) & set(patient.gather(split.rest))
    assert (label.gather(split.rest) == "lymphocyte").sum() == 60
    assert set(label.gather(split.held)) >= {"lymphocyte"}
    # A rare type moves nobody: the rule by name stands.
    rare = table.with_columns(
        label=pl.when(pl.col("patient") == held_name).then(pl.lit("lymphocyte")).otherwise(pl.lit("neutrophil"))
    ).filter((pl.col("label") == "neutrophil") | (pl.int_range(pl.len()) < 10))
    held = hold_out_by_source(Catalog(rare)).held
    assert set(rare["patient"].gather(held)) == {held_name}


def test_seeds_hold_other_patients_out() -> None:
    names = [f"Patient_{k:02d}" for k in range(106)]
    sides = [{name for name in names if is_held_patient(name, seed)} for seed in range(3)]
    assert sides[0] != sides[1] != sides[2]
    assert all(0.1 < len(side) / 106 < 0.4 for side in sides)


def test_a_copy_in_another_source_is_held_out_too() -> None:
    catalog = joined(make("jhu_aml", 300, 30), make("mine", 200))
    held = hold_out_by_source(catalog).held
    theirs = next(row for row in held if catalog.ids[row].startswith("jhu"))
    ours = next(row for row in range(300, 500) if row not in set(held.tolist()))
    table = catalog.table.with_columns(
        id=pl.when(pl.col("path") == catalog.table["path"][ours])
        .then(pl.lit(catalog.ids[theirs]))
        .otherwise(pl.col("id"))
    )
    after = hold_out_by_source(Catalog(table))
    assert ours in after.held
    assert len(after.held) == len(held) + 1


def test_given_groups_stay_together_across_sources() -> None:
    catalog = joined(make("a", 60), make("b", 60))
    groups = [k % 60 // 2 for k in range(120)]
    split = hold_out_by_source(catalog, 0.2, groups=groups)
    assert not {groups[row] for row in split.held} & {groups[row] for row in split.rest}


def test_few_or_half_known_patients_are_dealt_and_a_single_cell_is_not_held_out() -> None:
    # Four patients that the hash would put on one side.
    same = [name for name in (f"p{k}" for k in range(40)) if not is_held_patient(name)][:4]
    four = make("lab", 40).with_columns(patient=pl.Series([same[k % 4] for k in range(40)]))
    split = hold_out_by_source(joined(four))
    assert (len(split.held), len(split.rest)) == (10, 30)
    half = make("lab", 40, 4).with_columns(patient=pl.when(pl.int_range(40) < 20).then("patient"))
    assert 0 < len(hold_out_by_source(joined(half)).held) < 40
    alone = joined(make("pbc", 100), make("one", 1))
    assert not any(cell.startswith("one") for cell in held_ids(alone))
    with pytest.raises(BadSplit):
        hold_out_by_source(joined(make("one", 1)))
    with pytest.raises(BadSplit):
        hold_out_by_source(joined(make("pbc", 100)), 1.5)


def test_sources_too_small_to_be_cut_are_dealt_as_one() -> None:
    small = [make(name, 4) for name in ("a", "b", "c", "d", "e")]
    with pytest.raises(BadSplit):
        hold_out_by_source(joined(small[0]))
    assert 1 <= len(hold_out_by_source(joined(*small)).held) <= 3


def test_tables_say_what_was_split() -> None:
    half = make("half", 4, 2).with_columns(patient=pl.when(pl.int_range(4) < 2).then("patient"))
    found = units(joined(make("pbc", 3), make("jhu_aml", 3, 2), half))
    assert found == {"half": "by image", "jhu_aml": "by patient", "pbc": "by image"}
    assert described(found) == "by patient: jhu_aml; by image: half, pbc"
    assert described({"": "by image"}) == "by image: unnamed"


@pytest.mark.data
@pytest.mark.skipif("HEMOSIGHT_DATA" not in os.environ, reason="HEMOSIGHT_DATA names no folder of crops")
def test_of_the_real_sets_the_home_tenth_stays_and_a_quarter_of_the_patients_is_held_out() -> None:
    catalog = sources.read(Path(os.environ["HEMOSIGHT_DATA"]))
    home = catalog.where(pl.col("source").is_in(["pbc", "lmu_aml"]))
    split = hold_out_by_source(catalog)
    held = catalog.take(split.held)
    tenth = held.where(pl.col("source").is_in(["pbc", "lmu_aml"]))
    assert set(tenth.ids) == set(home.take(hold_out(home, 0.1, 0).held).ids)
    theirs, all_of_them = (set(c.where(pl.col("source") == "jhu_aml").table["patient"]) for c in (held, catalog))
    assert 0.2 < len(theirs) / len(all_of_them) < 0.35
    assert not theirs & set(catalog.take(split.rest).where(pl.col("source") == "jhu_aml").table["patient"])
    assert np.intersect1d(split.rest, split.held).size == 0
