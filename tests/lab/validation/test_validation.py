"""A validation from protocol to dossier, on drawn slides read by the tiny bundle."""

from __future__ import annotations

import dataclasses
import json
import shutil
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hemosight.engine.engine import Engine
from hemosight.engine.network import Crop, CropEmbedding
from hemosight.errors import BadProtocol, TooFewCells
from hemosight.images.catalog import Catalog
from hemosight.images.decode import Pixels
from hemosight.images.synthetic import draw_smear
from hemosight.lab.validation import cells as cells_module
from hemosight.lab.validation import measures, record
from hemosight.lab.validation.cells import ValidationCells, gather, leukocytes
from hemosight.lab.validation.dossier import Dossier, validate
from hemosight.lab.validation.origin import Origin, ReferenceTable
from hemosight.lab.validation.protocol import CaseCriterion, Cells, Limits, Protocol, Repeats, read
from hemosight.lab.validation.repeated import repeated
from hemosight.lab.validation.untested import untested
from hemosight.lab.validation.verdict import Verdict
from hemosight.scoring.metrics import Interval

pytestmark = pytest.mark.slow  # slides are drawn and read

PROTOCOL = """
title = "Drawn slides, Łódź: a trial"
written_by = "A. Reviewer"
written_on = 2026-11-01
[cells]
least = 9
count = 40
[finding]
percent = 5
[repeats]
cases = 2
conditions = ["turned"]
[limits]
least_macro_f1 = 0.2
most_bias = 0.001
"""


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Three slides of 27 drawn cells, three of each type, each a patient."""
    parts = []
    for number in range(3):
        folder = tmp_path_factory.mktemp("slide")
        draw_smear(folder, 3, seed=40 + number, size=240)
        table = Catalog.read(folder / "labels.csv").table
        parts.append(Catalog(table.with_columns(patient=pl.lit(f"Case {number}"), source=pl.lit("drawn"))))
    return Catalog.concat(parts)


@pytest.fixture(scope="module")
def protocol_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("protocol") / "protocol.toml"
    file.write_text(PROTOCOL, encoding="utf-8")
    return file


def protocol(**parts: object) -> Protocol:
    given = {"title": "t", "written_by": "w", "written_on": "2026-11-01", "cells": {"least": 9}, **parts}
    return Protocol.model_validate(given)


def test_a_protocol_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "protocol.toml"
    file.write_text(PROTOCOL + "least_f2 = 0.5\n")
    with pytest.raises(BadProtocol, match="least_f2"):
        read(file)
    file.write_text("title = ")
    with pytest.raises(BadProtocol, match=r"protocol\.toml"):
        read(file)
    file.write_text(PROTOCOL.replace("[finding]", '[finding]\ntype = "smudge"'))
    with pytest.raises(BadProtocol, match="a type is one of"):
        read(file)


def test_cases_that_the_bundle_has_learnt_from_do_not_count(
    slides: Catalog, drawn_catalog: Catalog, tiny_engine: Engine
) -> None:
    learnt = Catalog(drawn_catalog.take(range(12)).table.with_columns(patient=pl.lit("Learnt"), source=pl.lit("drawn")))
    both = Catalog.concat([slides, learnt])
    found = gather(both, tiny_engine, protocol())
    assert found.cases == ("Case 0", "Case 1", "Case 2")
    assert found.cases_left_out == {"of which the bundle has learnt cells": ("Learnt",)}
    flattered = gather(both, tiny_engine, protocol(cells={"least": 9, "learnt": "include"}))
    assert "Learnt" in flattered.cases


def test_what_does_not_fit_is_counted_by_its_reason(slides: Catalog, tiny_engine: Engine) -> None:
    unlabelled = slides.table.with_columns(
        label=pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise(pl.col("label")),
        patient=pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(pl.col("patient")),
    )
    found = gather(Catalog(unlabelled), tiny_engine, protocol())
    assert len(found) == len(slides) - 2
    assert sum(found.left_out.values()) == 2
    with pytest.raises(TooFewCells, match="3 cases with fewer than 500 cells"):
        gather(slides, tiny_engine, protocol(cells={"least": 500}))


def test_a_case_of_which_few_cells_were_labelled_is_no_differential(slides: Catalog, tiny_engine: Engine) -> None:
    """Ten of a hundred cells, chosen by whoever labelled them, were validated as if they were the whole case."""
    few, row = slides.take(range(27)), pl.int_range(pl.len())
    ten = Catalog(
        few.table.with_columns(
            patient=pl.lit("Few"),
            label=pl.when(row < 10).then("label"),
            subtype=pl.when(row < 10).then("label"),
        )
    )
    whole = slides.table.filter(pl.col("patient") != "Case 0")
    # Two that nobody could tell and one that is not counted are labelled all the same; one cell of 27 is not.
    unsure = Catalog(
        few.table.with_columns(
            subtype=pl.when(row < 2).then(pl.lit("?")).when(row == 2).then(pl.lit("smudge")),
            label=pl.when(row > 3).then("label"),
        )
    )
    given = Catalog.concat([unsure, Catalog(whole)])
    found = gather(given, tiny_engine, protocol())
    assert found.reviewed.rows() == [("Case 0", 27, 26), ("Case 1", 27, 27), ("Case 2", 27, 27)]
    assert found.left_out == {cells_module.UNLABELLED: 1, cells_module.WITHOUT_A_TYPE: 3}
    with pytest.raises(TooFewCells, match="1 case of which people labelled less than 97% of the cells"):
        gather(given, tiny_engine, protocol(cells={"least": 9, "least_reviewed": 0.97}))
    # The same cells in place of a whole case: left out by 0.9, and taken where the protocol asks for nothing.
    with pytest.raises(TooFewCells, match="less than 90%"):
        gather(Catalog.concat([ten, Catalog(whole)]), tiny_engine, protocol())
    loose = gather(
        Catalog.concat([ten, Catalog(whole)]), tiny_engine, protocol(cells={"least": 9, "least_reviewed": 0})
    )
    assert loose.reviewed.rows()[-1] == ("Few", 27, 10)
    assert loose.left_out == {cells_module.UNLABELLED: 17}


def test_readers_are_those_whom_the_protocol_names_in_its_order(slides: Catalog, tiny_engine: Engine) -> None:
    first, second = slides.ids[0], slides.ids[1]
    readings = {"C": {first: "blast"}, "A": {first: "blast", second: None}, "B": {first: "monocyte"}}
    assert list(gather(slides, tiny_engine, protocol(), readings).readers) == ["C", "A", "B"]
    found = gather(slides, tiny_engine, protocol(readers=["B", "A"]), readings)
    assert list(found.readers) == ["B", "A"]
    assert found.readers_left_out == ("C",)
    for given in (None, {"A": {first: None}, "C": {first: "blast"}}, {"A": {"0" * 64: "blast"}, "a": {first: "blast"}}):
        with pytest.raises(BadProtocol, match="by A; readings are by"):
            gather(slides, tiny_engine, protocol(readers=["A"]), given)
    with pytest.raises(ValueError, match="each one once"):
        protocol(readers=["A", "A "])


def test_what_was_not_tested_says_that_the_reference_is_not_blind() -> None:
    truth = ["neutrophil", "lymphocyte", "blast", "monocyte"] * 5
    cells = made_up(truth, truth, ["a"] * 10 + ["b"] * 10)
    ids = cells.table["id"].to_list()

    def said(origin: Origin, **more: object) -> str:
        asked = protocol(**more)
        comparison, found = measures.comparison(cells, asked), measures.finding(cells, asked.finding)
        return "\n".join(untested(cells, asked, comparison, found, origin))

    assert "blind" not in said(Origin("from a folder"))
    assert "with the model's reading in sight" in said(Origin("p", True))
    assert "agreeing" not in said(Origin("p", True)), "nobody kept how they were given"
    told = said(Origin("p", True, frozenset([*ids[:5], "f" * 64, "another case's"]), frozenset(ids[:2])))
    assert "Of 20 labels, 5 (25.0%) were given by agreeing with the reading, 2 (10.0%) so in bulk" in told
    assert "Of 20 labels, 0 (0.0%)" in said(Origin("p", True, frozenset()))
    # A panel reads blind: of cells that have its label nothing is said here.
    panel = ReferenceTable("truth.csv", "0" * 64, frozenset(ids[:4]), 1)
    part = said(Origin("p", True, frozenset(ids[:5]), reference=panel))
    assert "people labelled 16 cells with" in part
    assert "Of 16 labels, 1 (6.2%)" in part
    assert "blind" not in said(Origin("p", True, reference=dataclasses.replace(panel, cells=frozenset(ids))))


def made_up(truth: list[str], read: list[str], case: list[str], sure: float = 0.8) -> ValidationCells:
    """Cells whose readings are chosen, without pictures."""
    n = len(truth)
    table = pl.DataFrame(
        {
            "id": [f"{number:064x}" for number in range(n)],
            "case": case,
            "source": ["s"] * n,
            "truth": truth,
            "read": read,
            "confidence": [sure] * n,
            "novelty": [0.5] * n,
            "unfamiliar": [False] * n,
        }
    )
    catalog = Catalog(pl.DataFrame({"id": table["id"], "path": table["id"], "label": truth, "patient": case}))
    return ValidationCells(table, np.zeros((n, 1)), ("x",), np.zeros((n, 2), np.float32), catalog)


def test_shares_are_of_the_leukocytes_of_each_method() -> None:
    truth = ["neutrophil"] * 6 + ["lymphocyte"] * 2 + ["erythroblast"] * 2
    read = ["neutrophil"] * 6 + ["erythroblast", "lymphocyte"] + ["erythroblast"] * 2
    cells = made_up(truth * 3, read * 3, ["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    shares = measures.comparison(cells, protocol()).shares
    one = {row["type"]: row for row in shares.filter(case="a").iter_rows(named=True)}
    assert one["neutrophil"]["reference"] == pytest.approx(75)  # 6 of 8 leukocytes
    assert one["neutrophil"]["test"] == pytest.approx(100 * 6 / 7)  # of 7, as the bundle calls one no leukocyte
    assert (one["erythroblast"]["reference"], one["erythroblast"]["test"]) == pytest.approx((25, 300 / 7))
    assert "platelet" not in one
    assert leukocytes(np.array(["blast", "platelet"])).tolist() == [True, False]


def test_a_reader_who_is_right_meets_every_limit_and_one_who_is_not_does_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["neutrophil", "lymphocyte", "blast"], 1200, p=[0.5, 0.3, 0.2]).tolist()
    cases = [f"c{number // 60:02d}" for number in range(1200)]
    right = measures.comparison(made_up(truth, truth, cases), protocol())
    assert right.by_type.filter(pl.col("within").is_not_null())["within"].to_list() == [20] * len(
        right.by_type.filter(pl.col("within").is_not_null())
    )
    assert right.by_type.filter(type="blast")["pb_slope"][0] == pytest.approx(1)
    called = ["lymphocyte" if label == "blast" and rng.random() < 0.5 else label for label in truth]
    wrong = (
        measures.comparison(made_up(truth, called, cases), protocol()).by_type.filter(type="blast").row(0, named=True)
    )
    assert wrong["bias"] == pytest.approx(-10, abs=1.5)
    assert wrong["pb_slope"] < 0.8
    assert wrong["within"] < 15


def test_blasts_are_counted_by_case_and_by_cell() -> None:
    truth = (["blast"] * 3 + ["monocyte"] * 7) + (["monocyte"] * 10) + (["blast"] + ["monocyte"] * 9)
    read = (["blast"] * 2 + ["monocyte"] * 8) + (["blast"] + ["monocyte"] * 9) + (["monocyte"] * 10)
    cells = made_up(truth, read, ["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    found = measures.finding(cells, CaseCriterion(cells=1, percent=0))
    assert (found.by_case.both, found.by_case.missed, found.by_case.false, found.by_case.neither) == (1, 1, 1, 0)
    assert found.by_cell.found.value == pytest.approx(2 / 4)
    twenty = measures.finding(cells, CaseCriterion(cells=1, percent=20))
    assert (twenty.by_case.both, twenty.by_case.missed, twenty.by_case.false, twenty.by_case.neither) == (1, 0, 0, 2)


def test_a_limit_is_met_only_where_the_whole_interval_meets_it() -> None:
    def judged(low: float, value: float, high: float, *, at_least: bool = True) -> str:
        return Verdict("n", "w", 0.8, at_least, Interval(value, low, high)).judged

    assert judged(0.81, 0.9, 0.95) == "met"
    assert judged(0.7, 0.9, 0.95) == "not shown"
    assert judged(0.6, 0.7, 0.9) == "not met"
    assert judged(0.6, 0.7, 0.75, at_least=False) == "met"
    assert judged(0.6, 0.7, 0.9, at_least=False) == "not shown"
    assert Verdict("n", "w", 0.8, True, None).judged == "not measured"


def test_further_readers_are_compared_with_one_another_and_with_the_bundle() -> None:
    truth = ["neutrophil", "lymphocyte", "blast", "monocyte"] * 15
    read = ["neutrophil"] * 60
    cells = made_up(truth, read, ["a"] * 30 + ["b"] * 30)
    assert measures.agreements(cells) is None
    second = tuple(label if number % 10 else "monocyte" for number, label in enumerate(truth))
    found = measures.agreements(dataclasses.replace(cells, readers={"Second": second}))
    assert found is not None
    assert found.pairs["one"].to_list() == ["reference", "reference", "Second"]
    kappas = dict(zip(found.pairs["other"], found.pairs["kappa"], strict=False))
    assert kappas["Second"] > 0.8
    whole = found.together.row(0, named=True)
    assert whole["what"] == "all types"
    assert whole["ac1_low"] < whole["share"] < 1


@pytest.fixture(scope="module")
def made(
    slides: Catalog, protocol_file: Path, tiny_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Dossier, Path]:
    out = tmp_path_factory.mktemp("dossier")
    given, digest = read(protocol_file)
    return validate(slides, tiny_engine, given, digest, out, command="hemosight validate"), out


def test_a_dossier_is_a_page_a_pdf_tables_and_a_record(made: tuple[Dossier, Path]) -> None:
    dossier, out = made
    page = dossier.page.read_text()
    for words in ("Drawn slides, Łódź: a trial", "Passing", "What was not tested", "Research use only", "Carry-over"):
        assert words in page
    assert 'src="http' not in page
    pages = _pdf_text(dossier.pdf)
    assert len(pages) >= 4
    assert "Drawn slides, Łódź: a trial" in pages[0]
    assert "at least 0.2" in pages[0]
    assert any("What was not tested" in text for text in pages)
    assert all(dossier.cells.hash[:10] in text for text in pages)  # a loose sheet is known
    kept = json.loads((out / record.FILE).read_text())
    assert kept["cells"] == dossier.cells.hash
    assert {one.name: one.judged for one in dossier.verdicts}["most_bias"] != "met"
    assert kept["verdicts"]["most_bias"]["judged"] == {one.name: one.judged for one in dossier.verdicts}["most_bias"]
    rows = pl.read_csv(out / "tables" / "cells.csv")
    assert len(rows) == 81
    # Counted again from the written cells, the share read right is the one that the dossier claims.
    share = (rows["truth"] == rows["read"]).mean()
    assert f"{share:.3f} [" in page


def _pdf_text(file: Path) -> list[str]:
    import pypdfium2

    document = pypdfium2.PdfDocument(str(file))
    texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    document.close()
    return texts


def test_reading_again_holds_the_pixels_of_few_cells_at_once(
    slides: Catalog, tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, opened, held = tiny_engine.network, [], []
    there, points = network.open, network.points

    def opens(crop: Crop) -> Pixels:
        pixels = there(crop)
        opened.append(weakref.ref(pixels))
        return pixels

    def one_by_one(crops: Iterable[Crop], scale: Iterable[float], *, contrast: bool = True) -> Iterator[CropEmbedding]:
        for crop, own in zip(crops, scale, strict=True):
            held.append(sum(one() is not None for one in opened))
            yield from points([crop], [own], contrast=contrast)

    given = protocol(repeats={"cases": 3, "conditions": ["turned"]})
    found = gather(slides, tiny_engine, given)
    monkeypatch.setattr(network, "open", opens)
    monkeypatch.setattr(network, "points", one_by_one)
    again = repeated(found, tiny_engine, given)
    assert again is not None
    assert len(held) == 2 * len(found)
    assert max(held) <= 2


def test_made_again_it_says_loudly_what_has_changed(
    made: tuple[Dossier, Path], slides: Catalog, protocol_file: Path, tiny_engine: Engine, tmp_path: Path
) -> None:
    dossier, first = made
    assert dossier.changes == ()
    out = tmp_path / "dossier"  # other tests read the first, in whatever order they run
    shutil.copytree(first, out)
    given, digest = read(protocol_file)
    again = validate(slides, tiny_engine, given, digest, out)
    assert again.changes == ()
    assert len(json.loads((out / record.FILE).read_text())["history"]) == 1
    easier = tmp_path / "protocol.toml"
    easier.write_text(PROTOCOL.replace("most_bias = 0.001", "most_bias = 99"))
    relabelled = Catalog(
        slides.table.with_columns(
            label=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("blast")).otherwise(pl.col("label"))
        )
    )
    changed = validate(relabelled, tiny_engine, *read(easier), out)
    assert any("THE PROTOCOL HAS CHANGED" in line for line in changed.changes)
    assert any("THE CELLS HAVE CHANGED" in line for line in changed.changes)
    assert any("most bias" in line and "met now" in line for line in changed.changes)
    assert "THE PROTOCOL HAS CHANGED" in changed.page.read_text()
    assert "THE PROTOCOL HAS CHANGED" in _pdf_text(changed.pdf)[0]


def test_cells_of_one_file_under_two_names_count_once(slides: Catalog, tiny_engine: Engine) -> None:
    doubled = slides.table.head(1).with_columns(path=pl.col("path") + "x")
    found = gather(Catalog(pl.concat([slides.table, doubled])), tiny_engine, protocol())
    assert len(found) == len(slides)
    assert found.left_out == {"copies of a cell that is there already": 1}
    assert cells_module.FEWEST_CASES == 3


def test_defaults_of_a_protocol_are_those_of_the_standards() -> None:
    given = protocol(cells=Cells().model_dump(), limits=Limits().model_dump(), repeats=Repeats().model_dump())
    assert given.cells.count == 200
    assert given.limits.model_dump(exclude_none=True) == {}
