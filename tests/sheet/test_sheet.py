from __future__ import annotations

import base64
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemosight.engine.bundle import Bundle
from hemosight.engine.engine import Engine
from hemosight.engine.readings import OK, Reading
from hemosight.errors import BadTable
from hemosight.images.catalog import Catalog
from hemosight.images.decode import decode, read_bytes
from hemosight.images.preprocess import Preprocessing, grey_world
from hemosight.sheet import Cell, Provenance, from_paths, grouped, write_sheet
from hemosight.sheet.page import LISTED, THUMBNAIL

ORIGIN = Provenance(
    "cell_type", ("blast", "neutrophil", "platelet"), Preprocessing(), "Research use only.", (("Made", "now"),)
)


class Page(HTMLParser):
    """What a browser would find: elements with their attributes and the text below them."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.source = file.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[list[str]] = []
        self._open: list[int] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.append([])
        if tag not in ("meta", "link", "img", "br"):
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        while self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for at in self._open:
            self.texts[at].append(data)

    def find(self, tag: str = "", **wanted: str) -> list[int]:
        """Numbers of the elements with this tag and these attributes (a class among others counts)."""
        return [
            at
            for at, (name, attrs) in enumerate(self.elements)
            if tag in ("", name)
            and all(value in attrs.get(key.strip("_").replace("_", "-"), "").split() for key, value in wanted.items())
        ]

    def text(self, at: int) -> str:
        return " ".join(" ".join(self.texts[at]).split())

    def said(self, tag: str = "", **wanted: str) -> list[str]:
        return [self.text(at) for at in self.find(tag, **wanted)]


def reading(label: str, probability: float = 0.9, path: str | None = "/case/a.png", novelty: float = 0.5) -> Reading:
    rest = next(name for name in ORIGIN.classes if name != label)
    return Reading(path, "00", label, probability, {label: probability, rest: 1 - probability}, novelty, OK)


def lost(path: str, why: str = "found an empty file") -> Reading:
    return Reading(path, None, None, None, {}, None, why)


def no_picture(_: int) -> bytes | None:
    return None


@pytest.fixture(scope="session")
def drawn_readings(tiny_engine: Engine, drawn_catalog: Catalog) -> list[Reading]:
    # Labels of one cell a type make the model err now and then, which the page must show.
    rows = [row for row, path in enumerate(drawn_catalog.paths) if path.stem.endswith("_0001")]
    return tiny_engine.classify(drawn_catalog.paths, support=tiny_engine.support(drawn_catalog.take(rows)).cells)


@pytest.fixture(scope="session")
def drawn_page(
    drawn_readings: list[Reading],
    drawn_catalog: Catalog,
    tiny_engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Page:
    file = tmp_path_factory.mktemp("sheet") / "new" / "sheet.html"
    provenance = Provenance.of(tiny_engine, command="hemosight demo --out 'a b'")
    readings = [*drawn_readings, lost("/elsewhere/bad.png")]
    return Page(write_sheet(file, readings, [*drawn_catalog.labels(), "blast"], title="Drawn", provenance=provenance))


def within(page: Page, cell: int, label: str) -> bool:
    """Whether a table cell stands in the row of a type."""
    row = max(at for at in page.find("tr") if at < cell)
    return page.elements[row][1].get("data-type") == label


# --- what it says -----------------------------------------------------------------------------------------------


def test_header_counts_are_those_of_the_readings(drawn_page: Page, drawn_readings: list[Reading]) -> None:
    assert drawn_page.said(id="count-cells") == [str(len(drawn_readings) + 1)]
    assert drawn_page.said(id="count-read") == [str(len(drawn_readings))]
    assert drawn_page.said(id="count-unreadable") == ["1"]
    unsure = sum(1 for read in drawn_readings if read.probability is not None and read.probability < 0.6)
    unusual = sum(1 for read in drawn_readings if read.novelty is not None and read.novelty > 1)
    assert drawn_page.said(id="count-unsure") == [str(unsure)]
    assert drawn_page.said(id="count-unusual") == [str(unusual)]
    assert drawn_page.said("p", _class="notice") == ["Research use only. Not for primary diagnosis."]


def test_differential_and_groups_count_what_was_read(drawn_page: Page, drawn_readings: list[Reading]) -> None:
    counts = Counter(str(read.label) for read in drawn_readings)
    for label, count in counts.items():
        (number,) = (at for at in drawn_page.find("td", _class="n") if within(drawn_page, at, label))
        assert drawn_page.text(number) == str(count)
    groups = {drawn_page.elements[at][1]["data-type"]: at for at in drawn_page.find("div", _class="group")}
    assert set(groups) == set(counts)
    assert len(drawn_page.find("figure", _class="cell")) == len(drawn_readings)


def test_matrix_equals_counting_by_hand(
    drawn_page: Page, drawn_readings: list[Reading], drawn_catalog: Catalog
) -> None:
    pairs = Counter(zip(drawn_catalog.labels(), (read.label for read in drawn_readings), strict=True))
    wrong = sum(count for (true, read), count in pairs.items() if true != read)
    assert wrong > 0
    (table,) = drawn_page.find("table", _class="matrix")
    after = [at for at in drawn_page.find("td", _class="count") if at > table]
    said = [drawn_page.text(at).replace("·", "0") for at in after]
    order = [
        "neutrophil",
        "lymphocyte",
        "monocyte",
        "eosinophil",
        "basophil",
        "ig",
        "blast",
        "erythroblast",
        "platelet",
    ]
    assert said == [str(pairs[(true, read)]) for true in order for read in order]
    assert len(drawn_page.find("figure", _class="wrong")) == wrong


def test_a_wrong_cell_carries_the_letter_of_its_label(tmp_path: Path) -> None:
    readings = [reading("neutrophil"), reading("neutrophil"), reading("blast")]
    file = write_sheet(tmp_path / "a.html", readings, ["neutrophil", "blast", None], title="x", provenance=ORIGIN)
    page = Page(file)
    assert page.said("span", _class="truth") == ["X"]
    (wrong,) = page.find("figure", _class="wrong")
    assert "Labelled Blast" in page.text(wrong)


def test_least_certain_first(drawn_page: Page) -> None:
    starts = [*drawn_page.find("div", _class="group"), len(drawn_page.elements)]
    for start, end in pairwise(starts):
        cards = [at for at in drawn_page.find("ol", _class="likely") if start < at < end]
        first = [float(re.findall(r"[01]\.\d\d", drawn_page.text(at))[0]) for at in cards]
        assert first == sorted(first)


def test_card_names_path_three_types_novelty_and_status(tmp_path: Path) -> None:
    probabilities = {"neutrophil": 0.5, "blast": 0.3, "platelet": 0.15, "ig": 0.05}
    one = Reading("/case/one.png", "00", "neutrophil", 0.5, probabilities, 1.25, OK)
    other = Reading("/case/two.png", "00", "neutrophil", 0.5, probabilities, 0.25, OK)
    page = Page(write_sheet(tmp_path / "a.html", [one, other], title="x", provenance=ORIGIN, thumbnails=no_picture))
    card = page.said("figcaption")[0]
    assert card == ("N Neutrophil N 0.50 X 0.30 P 0.15 Novelty 1.25, unusual Status ok, unsure File one.png")
    assert page.said("span", _class="doubt") == ["!?", "?"]


def test_unreadable_files_are_named_with_their_reasons_up_to_a_number(tmp_path: Path) -> None:
    readings = [lost(f"/case/{n}.png", "found text" if n % 2 else "found nothing") for n in range(LISTED + 11)]
    page = Page(write_sheet(tmp_path / "a.html", readings, title="x", provenance=ORIGIN))
    (table,) = page.find("table", _class="files")
    assert len([at for at in page.find("tr") if at > table]) == LISTED + 1
    assert "0.png found nothing" in page.text(table)
    assert page.said("p", _class="more")[0].startswith(
        "and 11 more. All reasons: found nothing (106); found text (105)"
    )
    assert not page.find("table", _class="differential")


def test_footer_tells_where_readings_come_from(drawn_page: Page, tiny_bundle: Bundle) -> None:
    foot = drawn_page.said("footer")[0]
    assert f"{tiny_bundle.manifest.name} {tiny_bundle.manifest.version}" in foot
    assert tiny_bundle.space.encoder[:12] in foot
    assert tiny_bundle.preprocessing.hash in foot
    assert "hemosight demo --out 'a b'" in foot
    assert "72 cells of 9 types from drawn" in foot


def test_shares_never_round_to_nothing_or_everything(tmp_path: Path) -> None:
    readings = [reading("neutrophil")] * 2999 + [reading("blast")]
    page = Page(
        write_sheet(tmp_path / "a.html", readings, title="x", provenance=ORIGIN, thumbnails=no_picture, crops=1)
    )
    rows = [page.text(at) for at in page.find("table", _class="differential")]
    assert "2,999 99.9 " in rows[0]
    assert "<0.1" in rows[0]


# --- what it leaves out -----------------------------------------------------------------------------------------


def test_without_truth_nothing_is_judged(tmp_path: Path) -> None:
    page = Page(
        write_sheet(tmp_path / "a.html", [reading("blast")], title="x", provenance=ORIGIN, thumbnails=no_picture)
    )
    assert not page.find("table", _class="matrix")
    assert not page.find(id="macro-f1")
    assert not page.find("figure", _class="wrong")


@pytest.mark.parametrize("readings", [[], [reading("blast")], [reading("platelet")]], ids=["none", "one", "apart"])
def test_few_readings_make_a_page_too(tmp_path: Path, readings: list[Reading]) -> None:
    page = Page(write_sheet(tmp_path / "a.html", readings, title="x", provenance=ORIGIN, thumbnails=no_picture))
    assert page.said(id="count-cells") == [str(len(readings))]


def test_only_shown_crops_are_opened(tmp_path: Path) -> None:
    opened: list[int] = []

    def thumbnails(row: int) -> bytes:
        opened.append(row)
        return b"jpeg"

    readings = [reading("blast", 0.99 - row / 1000) for row in range(50)]
    file = write_sheet(tmp_path / "a.html", readings, title="x", provenance=ORIGIN, thumbnails=thumbnails, crops=7)
    assert sorted(opened) == list(range(43, 50))
    assert "and 43 more" in file.read_text()


@given(
    st.lists(
        st.tuples(st.sampled_from(ORIGIN.classes), st.floats(0.35, 1), st.sampled_from([None, *ORIGIN.classes])),
        max_size=40,
    ),
    st.integers(1, 10),
)
def test_groups_show_errors_before_certain_cells(cells: list[tuple[str, float, str | None]], crops: int) -> None:
    made = [Cell(row, reading(label, p), truth) for row, (label, p, truth) in enumerate(cells)]
    groups = grouped(made, crops)
    assert sorted(cell.row for group in groups for cell in group.cells) == list(range(len(made)))
    for group in groups:
        assert {cell.reading.label for cell in group.cells} == {group.label}
        assert len(group.shown) == min(crops, len(group.cells))
        certainty = [cell.reading.probability or 0 for cell in group.shown]
        assert certainty == sorted(certainty)
        shown_rows = {cell.row for cell in group.shown}
        hidden = [cell for cell in group.cells if cell.row not in shown_rows]
        if any(cell.wrong for cell in hidden):
            assert all(cell.wrong for cell in group.shown)
        for kind in (True, False):
            shown = [cell.reading.probability or 0 for cell in group.shown if cell.wrong is kind]
            left = [cell.reading.probability or 0 for cell in hidden if cell.wrong is kind]
            assert max(shown, default=0) <= min(left, default=1)


# --- what it is made of -----------------------------------------------------------------------------------------


def test_nothing_is_fetched_and_nothing_runs(drawn_page: Page) -> None:
    for tag, attrs in drawn_page.elements:
        assert tag not in ("script", "iframe", "object", "form")
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#"))
    styles = "".join(drawn_page.said("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    (policy,) = (attrs["content"] for _, attrs in drawn_page.elements if "Policy" in attrs.get("http-equiv", ""))
    assert policy.startswith("default-src 'none'")


def test_every_link_leads_somewhere_and_every_id_stands_once(drawn_page: Page) -> None:
    ids = Counter(attrs["id"] for _, attrs in drawn_page.elements if "id" in attrs)
    assert set(ids.values()) == {1}
    for _, attrs in drawn_page.elements:
        for name in ("href", "aria-labelledby", "aria-describedby"):
            if name in attrs and not attrs[name].startswith("data:"):
                assert attrs[name].removeprefix("#") in ids


def test_pictures_have_words_and_are_the_crops(drawn_page: Page, drawn_catalog: Catalog) -> None:
    images = [attrs for tag, attrs in drawn_page.elements if tag == "img"]
    assert len(images) == len(drawn_catalog)
    assert all(attrs["alt"] for attrs in images)
    stems = {path.stem: path for path in drawn_catalog.paths}
    for attrs in images[:5]:
        name = Path(attrs["alt"]).stem
        shown = decode(base64.b64decode(attrs["src"].removeprefix("data:image/jpeg;base64,")))
        whole = Preprocessing(grey_world=False, size=THUMBNAIL)(decode(read_bytes(stems[name])))
        assert np.abs(shown.astype(float) - whole).mean() < 6


def test_thumbnails_keep_the_colours_of_the_stain(drawn_catalog: Catalog, tmp_path: Path) -> None:
    path = drawn_catalog.paths[0]
    pixels = decode(read_bytes(path))
    picture = from_paths([path, tmp_path / "gone.png", None], replace(ORIGIN.preprocessing, grey_world=True))
    data = picture(0)
    assert data is not None
    shown = decode(data)
    assert shown.shape == (THUMBNAIL, THUMBNAIL, 3)
    middle = pixels[68:-68, 68:-68]
    own = np.abs(shown.mean((0, 1)) - middle.mean((0, 1))).max()
    other = np.abs(shown.mean((0, 1)) - grey_world(pixels)[68:-68, 68:-68].mean((0, 1))).max()
    assert own < 2 < other
    assert picture(1) is None
    assert picture(2) is None


def test_scale_of_the_source_holds_for_thumbnails_too(drawn_catalog: Catalog) -> None:
    path = drawn_catalog.paths[0]
    near, far = (
        from_paths([path], ORIGIN.preprocessing, [1.5])(0),
        from_paths([path], ORIGIN.preprocessing, [0.6])(0),
    )
    assert near is not None
    assert far is not None
    assert near != far


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'}</style>"
    one = Reading(f'/case/"{evil}.png', "00", evil, 0.7, {evil: 0.7, "blast": 0.3}, 0.1, OK)
    made = replace(ORIGIN, classes=(evil, "blast"), lines=(("Command", evil),))
    page = Page(
        write_sheet(
            tmp_path / "a.html",
            [one, lost(evil, evil)],
            [evil, None],
            title=evil,
            provenance=made,
            thumbnails=no_picture,
        )
    )
    assert not page.find("script")
    assert page.said("h1") == [evil]
    assert len(page.find("style")) == 1
    assert evil not in "".join(page.said("style"))


def test_as_many_labels_as_readings(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="one true label for each of 1 readings; found 2"):
        write_sheet(tmp_path / "a.html", [reading("blast")], ["blast", "blast"], title="x", provenance=ORIGIN)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_meets_aa_contrast(drawn_page: Page, scheme: int) -> None:
    style = drawn_page.said("style")[0]
    names = ("page", "ink", "soft", "raised")
    colours = {name: re.findall(rf"--{name}: (#[0-9a-f]+)", style)[scheme] for name in names}
    for ground in ("page", "raised"):
        for ink in ("ink", "soft"):
            assert contrast(colours[ink], colours[ground]) >= 4.5


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        v = np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)]) / 255
        return float(np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
