from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import Stopper, small, tiny

from hemosight.errors import BadSetting, RunConflict, TooFewCells, TrainingFailed
from hemosight.images import sources, splits
from hemosight.images.catalog import Catalog
from hemosight.training import augment, backbones, pixel_cache
from hemosight.training import pretraining_task as running
from hemosight.training.display import Display
from hemosight.training.learner import ContrastiveNetwork
from hemosight.training.pretrain import TrainingResult, pretrain
from hemosight.training.recipes import PretrainConfig, resolve

pytestmark = pytest.mark.train


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pixels")


def train(catalog: Catalog, config: PretrainConfig, folder: Path, cache: Path, **options: Any) -> TrainingResult:
    return pretrain(catalog, config, folder, cache=cache, create=tiny, device="cpu", **options)


def log(folder: Path) -> list[dict[str, str]]:
    """The log, less the column that no two runs share."""
    with open(folder / "log.csv", newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "images_per_second"} for row in csv.DictReader(file)
        ]


def weights(folder: Path) -> bytes:
    return (folder / "encoder.safetensors").read_bytes()


# --- the same bits ---


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "triplet", "head": None, "dropout": 0.2, "optimizer": "adam", "schedule": "plateau", "keep": "best"},
        {"micro_batches": 3, "dropout": 0.2, "views": "paper"},
    ],
    ids=["ntxent", "triplet", "micro-batches"],
)
def test_a_run_stopped_twice_ends_in_the_bits_of_one_that_was_not(
    settings: dict[str, Any], drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    config = small(**settings)
    straight = train(drawn_catalog, config, tmp_path / "straight", cache)
    broken = tmp_path / "broken"
    for after in (2, 5):
        outcome = train(drawn_catalog, config, broken, cache, resume=after > 2, display=Stopper(after))
        assert not outcome.finished
        assert outcome.step == after
    resumed = train(drawn_catalog, config, broken, cache, resume=True)
    assert straight.finished
    assert resumed.finished
    assert straight.step == resumed.step == 2 * (58 // 12)
    assert log(broken) == log(tmp_path / "straight")
    assert weights(broken) == weights(tmp_path / "straight")
    assert weights(broken / "best") == weights(tmp_path / "straight" / "best")


def test_rows_logged_after_the_last_checkpoint_are_written_anew(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    config = small()
    train(drawn_catalog, config, tmp_path / "a", cache, display=Stopper(3))
    checkpoint = (tmp_path / "a" / "checkpoint.pt").read_bytes()
    train(drawn_catalog, config, tmp_path / "a", cache, resume=True, display=Stopper(6))
    # As if the machine had gone down at step 6, with nothing saved since step 3 and half a row written.
    (tmp_path / "a" / "checkpoint.pt").write_bytes(checkpoint)
    with open(tmp_path / "a" / "log.csv", "a") as file:
        file.write("7,2,0.1")
    train(drawn_catalog, config, tmp_path / "a", cache, resume=True)
    train(drawn_catalog, config, tmp_path / "b", cache)
    assert log(tmp_path / "a") == log(tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_labels_and_the_order_of_nothing_but_the_seed_decide_the_weights(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    unlabelled = Catalog(drawn_catalog.table.with_columns(label=pl.lit(None, pl.String)))
    first = train(drawn_catalog, small(), tmp_path / "labelled", cache)
    second = train(unlabelled, small(), tmp_path / "unlabelled", cache)
    train(drawn_catalog, small(seed=1), tmp_path / "other", cache)
    assert first.knn is not None
    assert second.knn is None
    assert weights(tmp_path / "labelled") == weights(tmp_path / "unlabelled")
    assert weights(tmp_path / "labelled") != weights(tmp_path / "other")


# --- what it learns, and from what ---


TURNS = {f"views.{name}": 0 for name in ("brightness", "contrast", "stain_gain", "stain_bias", "channel_gain")}
TURNS |= {"views.zoom": [1, 1], "views.blur_chance": 0, "views.noise_chance": 0}
"""Views that turn, flip and shift: a task for which ten steps are enough."""


def other_view_first(encoder: torch.nn.Module, images: torch.Tensor, recipe: augment.ViewRecipe) -> float:
    """How often a view's nearest neighbour among all views is the other view of its image."""
    shares = []
    for seed in range(5):
        views = augment.views(images, recipe, size=32, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            points = encoder.eval()(views)
        similarities = (points @ points.T).fill_diagonal_(-2)
        partner = torch.arange(len(points)).roll(len(images))
        shares.append((similarities.argmax(dim=1) == partner).float().mean())
    return float(torch.stack(shares).mean())


@pytest.mark.parametrize("loss", ["ntxent", "triplet"])
def test_after_ten_steps_the_other_view_is_the_neighbour_more_often(
    loss: str, drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    config = small(batch=60, epochs=10, validation=0, lr=1e-2, loss=loss, head=None, **TURNS)
    before: dict[str, torch.Tensor] = {}

    def create(config: PretrainConfig) -> Any:
        encoder = tiny(config)
        before.update({name: tensor.clone() for name, tensor in encoder.state_dict().items()})
        return encoder

    outcome = pretrain(drawn_catalog, config, tmp_path / "run", cache=cache, create=create, device="cpu")
    assert outcome.step == 10
    pixels = pixel_cache.build(drawn_catalog, config.wide_preprocessing, cache)
    images = torch.from_numpy(pixels[range(len(drawn_catalog))])
    encoder = tiny(config)
    encoder.load_state_dict(before)
    untrained = other_view_first(encoder, images, config.views)
    encoder.load_state_dict(load_file(tmp_path / "run" / "encoder.safetensors"))
    trained = other_view_first(encoder, images, config.views)
    assert trained > 1.4 * untrained
    losses = [float(row["loss"]) for row in log(tmp_path / "run") if row["loss"]]
    assert losses[-1] < 0.9 * losses[0]


def test_held_out_cells_and_their_copies_are_never_prepared(drawn_catalog: Catalog, tmp_path: Path) -> None:
    sides = splits.hold_out(drawn_catalog, 0.25)
    held = drawn_catalog.take(sides.held)
    copy = tmp_path / "copy.png"
    shutil.copyfile(held.paths[0], copy)
    copied = Catalog.scan([{"path": str(copy)}])
    rest = Catalog.concat([drawn_catalog.take(sides.rest), copied])
    train(rest, small(epochs=1), tmp_path / "run", tmp_path / "pixels", held_out=held)
    prepared = (tmp_path / "pixels" / small().wide_preprocessing.hash / "cells.txt").read_text()
    assert not set(held.ids) & {line.split()[0] for line in prepared.splitlines()}
    parts = pl.read_parquet(tmp_path / "run" / "split.parquet")
    assert set(parts.filter(part="held-out")["id"]) == set(held.ids)
    assert set(parts.filter(pl.col("part") != "held-out")["id"]) == set(rest.ids) - set(held.ids)
    assert parts["id"].n_unique() == parts.height


def test_frozen_batch_norms_stand_still_while_convolutions_move(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    before: dict[str, torch.Tensor] = {}

    def create(config: PretrainConfig) -> Any:
        encoder = tiny(config)
        before.update({name: tensor.clone() for name, tensor in encoder.state_dict().items()})
        return encoder

    config = small(freeze_batch_norm=True, epochs=1)
    pretrain(drawn_catalog, config, tmp_path / "run", cache=cache, create=create, device="cpu")
    after = load_file(tmp_path / "run" / "encoder.safetensors")
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved == {f"network.{part}.{kind}" for part in (0, 3) for kind in ("weight", "bias")}


def test_bfloat16_learns_and_keeps_single_precision_embeddings(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    config = small(precision="bf16", batch=24, epochs=6)
    train(drawn_catalog, config, tmp_path / "run", cache)
    losses = [float(row["loss"]) for row in log(tmp_path / "run") if row["loss"]]
    assert losses[-1] < losses[0]
    assert ContrastiveNetwork(tiny(config), config)(torch.zeros(2, 3, 32, 32)).dtype == torch.float32
    assert {tensor.dtype for name, tensor in load_file(tmp_path / "run" / "encoder.safetensors").items()} <= {
        torch.float32,
        torch.int64,
    }


# --- the run folder ---


def test_the_run_folder_says_what_was_done(drawn_catalog: Catalog, tmp_path: Path, cache: Path) -> None:
    outcome = train(drawn_catalog, small(), tmp_path / "run", cache, command=["hemosight", "pretrain"])
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["command"] == ["hemosight", "pretrain"]
    assert facts["packages"]["torch"]
    assert facts["data"]["train"] + facts["data"]["validation"] == len(drawn_catalog)
    assert facts["results"]["val_loss"] == outcome.val_loss
    assert PretrainConfig.model_validate_json((tmp_path / "run" / "config.json").read_text()) == small()
    beside = json.loads((tmp_path / "run" / "encoder.json").read_text())
    assert beside["backbone"] == "tiny"
    assert beside["preprocessing"] == {"grey_world": True, "crop": 224, "size": 32}
    assert beside["provenance"]["recipe"]["loss"] == "ntxent"
    assert not list((tmp_path / "run").glob("*.part"))
    rows = log(tmp_path / "run")
    assert [int(row["step"]) for row in rows] == list(range(9))
    assert [bool(row["val_loss"]) for row in rows] == [step % 4 == 0 for step in range(9)]


def test_the_best_weights_are_those_of_the_lowest_validation_loss(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    # A rate that overshoots, so that the last epoch is not the best.
    train(drawn_catalog, small(epochs=5, lr=0.05, keep="best"), tmp_path / "run", cache)
    losses = {int(row["epoch"]): float(row["val_loss"]) for row in log(tmp_path / "run") if row["val_loss"]}
    best = min((loss, epoch) for epoch, loss in losses.items() if epoch)[1]
    assert json.loads((tmp_path / "run" / "encoder.json").read_text())["provenance"]["results"]["epoch"] == best
    assert weights(tmp_path / "run") == weights(tmp_path / "run" / "best")


def test_early_stopping_ends_the_run(drawn_catalog: Catalog, tmp_path: Path, cache: Path) -> None:
    config = small(epochs=12, lr=1e-12, schedule="plateau", early_stopping=2)
    outcome = train(drawn_catalog, config, tmp_path / "run", cache)
    assert outcome.finished
    assert outcome.epoch < 12
    again = train(drawn_catalog, config, tmp_path / "run", cache, resume=True)
    assert again.step == outcome.step


def test_a_time_budget_becomes_epochs_that_are_written_down(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epochs(folder: Path) -> int:
        return json.loads((folder / "config.json").read_text())["epochs"]

    seconds = itertools.count()
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    train(drawn_catalog, small(minutes=0.01), tmp_path / "short", cache)
    assert epochs(tmp_path / "short") == 1
    # A step takes one second of that clock, an epoch four and a half: half a minute is six epochs.
    config = small(minutes=0.5)
    stopped = train(drawn_catalog, config, tmp_path / "long", cache, display=Stopper(2))
    assert not stopped.finished
    assert epochs(tmp_path / "long") == 6
    assert train(drawn_catalog, config, tmp_path / "long", cache, resume=True).epoch == 6
    # The timed steps leave no trace: the plan repeated by hand gives the same weights.
    train(drawn_catalog, small(epochs=6), tmp_path / "again", cache)
    assert weights(tmp_path / "again") == weights(tmp_path / "long")


def test_a_signal_ends_the_step_saves_and_gives_the_handlers_back(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    outcome = train(drawn_catalog, small(), tmp_path / "run", cache, display=Stopper(1))
    assert (outcome.finished, outcome.step) == (False, 1)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 1


def test_the_callers_random_numbers_are_left_alone(drawn_catalog: Catalog, tmp_path: Path, cache: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(drawn_catalog, small(epochs=1), tmp_path / "run", cache)
    assert torch.equal(torch.rand(1), expected)


# --- what is refused ---


def test_a_run_is_not_overwritten_nor_changed_on_the_way(drawn_catalog: Catalog, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(RunConflict, check=lambda fault: fault.code == "run_missing"):
        train(drawn_catalog, small(), tmp_path / "run", cache, resume=True)
    train(drawn_catalog, small(), tmp_path / "run", cache, display=Stopper(1))
    with pytest.raises(RunConflict, check=lambda fault: fault.code == "run_exists"):
        train(drawn_catalog, small(), tmp_path / "run", cache)
    with pytest.raises(RunConflict, match=r"temperature=0\.1", check=lambda fault: fault.code == "run_differs"):
        train(drawn_catalog, small(temperature=0.2), tmp_path / "run", cache, resume=True)
    with pytest.raises(RunConflict, match="data", check=lambda fault: fault.code == "run_differs"):
        train(drawn_catalog.take(range(60)), small(), tmp_path / "run", cache, resume=True)


def test_too_few_images_and_uneven_batches_are_said_before_training(
    drawn_catalog: Catalog, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(TooFewCells, match="at least 96 images"):
        train(drawn_catalog, small(batch=96), tmp_path / "run", cache)
    with pytest.raises(BadSetting, match="--set batch=10", check=lambda fault: fault.code == "uneven_batch"):
        train(drawn_catalog, small().model_copy(update={"micro_batches": 5}), tmp_path / "run", cache)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run(drawn_catalog: Catalog, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(TrainingFailed):
        train(drawn_catalog, small(lr=1e30, warmup=0), tmp_path / "run", cache)


def test_unreadable_files_are_left_out(drawn_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = drawn_catalog.paths[0].read_bytes()
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(picture[: len(picture) // 2])  # a whole header
    text = tmp_path / "text.png"
    text.write_text("no picture")
    catalog = Catalog.concat([drawn_catalog, Catalog.scan([{"path": str(damaged)}, {"path": str(text)}])])
    said: list[str] = []
    monkeypatch.setattr(Display, "say", lambda _, text: said.append(text))
    train(catalog, small(epochs=1), tmp_path / "run", tmp_path / "pixels")
    assert pl.read_parquet(tmp_path / "run" / "split.parquet").height == len(drawn_catalog)
    assert any(line.startswith(f"left out: {damaged}: expected ") for line in said), "by its path, as a person knows it"


# --- real cells ---


@pytest.mark.data
def test_a_real_encoder_learns_from_real_cells(tmp_path: Path) -> None:
    root = os.environ.get("HEMOSIGHT_DATA")
    if not root:
        pytest.skip("HEMOSIGHT_DATA names no folder")
    everything = sources.read(root)
    some = everything.take(splits.hold_out(everything, 0.05).held)
    config = resolve("default", {"size": 96, "batch": 32, "epochs": 3, "validation": 0.4})
    pretrain(some, config, tmp_path / "run", cache=tmp_path / "pixels", device="cpu")
    rows = [row for row in log(tmp_path / "run") if row["val_loss"]]
    first, last = rows[0], rows[-1]
    assert float(last["val_loss"]) < 0.95 * float(first["val_loss"])
    assert float(last["knn"]) > float(first["knn"])
    encoder, file = backbones.load(tmp_path / "run")
    assert file.preprocessing == config.preprocessing
    with torch.no_grad():
        assert encoder(torch.zeros(1, 3, 96, 96)).norm().item() == pytest.approx(1.0, abs=1e-5)
