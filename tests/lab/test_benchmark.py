"""The benchmark: every stage is there, what is counted was done, variants take turns, ratios follow from rounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hemosight.cli import app
from hemosight.engine.bundle import Bundle, load
from hemosight.errors import PathMissing, TooFewCells
from hemosight.images.decode import decode
from hemosight.images.synthetic import CELL_TYPES
from hemosight.lab.benchmark import BenchmarkReport, Stage, draw, gather, machine, measure, run, stages
from hemosight.space.classifiers import DEFAULT, FITTERS

STAGES = [
    "load",
    "decode and prepare",
    "network",
    "network, by backend",
    "reading",
    "classify",
    "classify one crop",
    "fit 72 labels",
    "fit all 72 labels",
    "neighbours among 72",
    "novelty among 72",
]
"""Of the tiny bundle, whose support is 72 cells: 8 of each of 9 types, fewer than the ten of a few-label fit."""


@pytest.fixture(scope="module")
def packed(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle on disk."""
    return tiny_bundle.save(tmp_path_factory.mktemp("packed") / "tiny.hemosight")


@pytest.fixture(scope="module")
def report(packed: Path, drawn_smear: Path) -> BenchmarkReport:
    """Two rounds of everything, on 20 of the 72 drawn crops."""
    return run(packed, gather(drawn_smear, 20), "drawn", repeats=2, seconds=1e9, slow=True)


class Clock:
    """A clock that stands still, apart from what work takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, items: int, *durations: float, log: list[str] | None = None, name: str = "") -> Callable[[], int]:
        left = iter(durations)

        def done() -> int:
            self.now += next(left)
            if log is not None:
                log.append(name)
            return items

        return done


# --- measuring ---


def test_variants_take_turns_and_ratios_are_compared_within_rounds() -> None:
    clock, log = Clock(), []
    # Both slow down threefold in the second round and tenfold in the third: their ratio stays the same.
    slow = clock.work(10, 1.0, 3.0, 10.0, log=log, name="slow")
    quick = clock.work(20, 0.5, 1.5, 5.0, log=log, name="quick")
    one, other = measure(Stage("s", "crops", {"slow": slow, "quick": quick}), repeats=3, seconds=100, clock=clock)
    assert log == ["slow", "quick"] * 3
    assert one.seconds == (1.0, 3.0, 10.0)
    assert one.per_second == pytest.approx(10 / 3)
    assert one.milliseconds == pytest.approx(300)
    assert one.ratio == 1.0
    assert other.ratio == pytest.approx(4.0), "twice the items in half the time"
    assert other.per_second == pytest.approx(20 / 1.5)


def test_one_disturbed_round_does_not_move_the_figures() -> None:
    clock = Clock()
    first, second = clock.work(1, 1, 1, 1, 1, 1), clock.work(1, 2, 2, 200, 2, 2)
    one, other = measure(Stage("s", "crops", {"a": first, "b": second}), repeats=5, seconds=1e9, clock=clock)
    assert (one.milliseconds, other.milliseconds, other.ratio) == (1000, 2000, 0.5)


def test_no_round_begins_after_the_time_is_up() -> None:
    clock = Clock()
    (timing,) = measure(Stage("s", "crops", {"a": clock.work(1, *[4.0] * 9)}), repeats=9, seconds=10, clock=clock)
    assert timing.seconds == (4.0,) * 3, "rounds begin at 0, 4 and 8 seconds"
    (timing,) = measure(Stage("s", "crops", {"a": clock.work(1, 4.0)}), repeats=9, seconds=0, clock=clock)
    assert timing.seconds == (4.0,), "one round there always is"


def test_a_95th_percentile_needs_many_rounds() -> None:
    clock = Clock()
    durations = [number / 100 for number in range(1, 101)]
    stage = Stage("s", "crops", {"a": clock.work(2, *durations)}, rounds=20)
    (timing,) = measure(stage, repeats=5, seconds=1e9, clock=clock)
    assert len(timing.seconds) == 100
    assert timing.p95 == pytest.approx(1000 * 0.9505 / 2)
    (few,) = measure(Stage("s", "crops", {"a": clock.work(2, *durations)}), repeats=5, seconds=1e9, clock=clock)
    assert few.p95 is None


# --- what is measured ---


@pytest.mark.slow
def test_every_stage_is_there(report: BenchmarkReport) -> None:
    assert list(dict.fromkeys(timing.stage for timing in report.timings)) == STAGES
    assert report.crops == 20
    assert report.bundle == "tiny 0.0.1 (one convolution)"


@pytest.mark.slow
def test_what_is_counted_was_handled(report: BenchmarkReport) -> None:
    items = {(timing.stage, timing.variant): timing.items for timing in report.timings}
    assert items["load", "bundle"] == items["load", "with network"] == 1
    for stage in ("decode and prepare", "network", "network, by backend", "reading", "classify"):
        assert {count for (name, _), count in items.items() if name == stage} == {20}
    assert {count for (name, _), count in items.items() if name == "classify one crop"} == {1}
    for stage in STAGES[7:9]:
        assert {variant for name, variant in items if name == stage} == set(FITTERS)
        assert {count for (name, _), count in items.items() if name == stage} == {72}
    assert next(variant for name, variant in items if name == "fit 72 labels") == DEFAULT
    for stage in STAGES[9:]:
        assert items[stage, "one by one"] == items[stage, "together"] == 20
    assert [variant for name, variant in items if name == "network"] == [f"batches of {n}" for n in (1, 4, 16, 64)]


@pytest.mark.slow
def test_rounds_and_ratios_agree_with_the_durations(report: BenchmarkReport) -> None:
    for timing in report.timings:
        assert len(timing.seconds) == (40 if timing.stage == "classify one crop" else 2)
        assert min(timing.seconds) > 0
        assert timing.milliseconds * timing.per_second == pytest.approx(1000)
        first = next(t for t in report.timings if t.stage == timing.stage)
        each = [(a / first.items) / (b / timing.items) for a, b in zip(first.seconds, timing.seconds, strict=True)]
        assert min(each) <= timing.ratio <= max(each)
        assert timing is not first or timing.ratio == 1.0


def test_the_svm_reads_all_labels_only_on_request(packed: Path, drawn_smear: Path) -> None:
    plan = {stage.name: stage for stage in stages(packed, load(packed), gather(drawn_smear, 1))}
    assert list(plan) == STAGES
    assert set(plan["fit all 72 labels"].variants) == set(FITTERS) - {"svm"}
    assert set(plan["fit 72 labels"].variants) == set(FITTERS)


def test_two_bundles_read_the_same_crops_in_turns(packed: Path, drawn_smear: Path) -> None:
    crops = gather(drawn_smear, 6)
    (both,) = [s for s in stages(packed, load(packed), crops, against=load(packed)) if s.name == "two bundles"]
    assert [work() for work in both.variants.values()] == [6, 6]
    assert len(both.variants) == 2, "told apart though they have one name"


def test_a_machine_says_what_it_is() -> None:
    here = machine()
    assert here.cores >= 1
    assert set(here.libraries) - {"openvino"} == {"numpy", "onnxruntime", "scikit-learn"}
    assert f"{here.cores} cores" in str(here)


# --- crops ---


@pytest.mark.slow
def test_drawn_crops_are_as_many_as_asked_for(tmp_path: Path) -> None:
    crops = draw(tmp_path, 11)
    assert len(crops) == len(set(crops)) == 11
    assert {crop.parent.name for crop in crops} == set(CELL_TYPES)
    assert decode(crops[0].read_bytes()).shape == (360, 360, 3)


def test_gathered_crops_are_readable_and_spread(drawn_smear: Path, tmp_path: Path) -> None:
    crops = gather(drawn_smear, 9)
    assert len(crops) == 9
    assert len({crop.parent for crop in crops}) >= 8, "not the first folder alone"
    assert len(gather(drawn_smear, 1000)) == 72
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(TooFewCells):
        gather(tmp_path, 5)
    (tmp_path / "whole.jpg").write_bytes(crops[0].read_bytes())
    assert gather(tmp_path, 5) == [tmp_path / "whole.jpg"]
    with pytest.raises(PathMissing):
        gather(tmp_path / "nowhere", 5)


# --- the command ---


@pytest.mark.slow
def test_the_command_prints_and_writes_every_timing(packed: Path, drawn_smear: Path, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "speed.json"
    arguments = ["--images", drawn_smear, "--bundle", packed, "--crops", 3, "--repeats", 1, "--json", file]
    outcome = CliRunner().invoke(app, ["benchmark", *map(str, arguments)], catch_exceptions=False)
    assert outcome.exit_code == 0
    written = json.loads(file.read_text())
    assert list(dict.fromkeys(timing["stage"] for timing in written["timings"])) == STAGES
    assert all(stage in outcome.stdout for stage in STAGES)
    for timing in written["timings"]:
        assert timing["per_second"] == pytest.approx(1000 / timing["milliseconds"])
        assert timing["variant"] in outcome.stdout
    assert written["machine"]["cores"] == machine().cores
    assert written["crops"] == 3


@pytest.mark.slow
def test_without_images_crops_are_drawn(packed: Path) -> None:
    arguments = ["benchmark", "--bundle", str(packed), "--crops", "2", "--repeats", "1"]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "2 crops: drawn crops" in outcome.stdout
