"""The supervised baseline: what each stage may change, that it learns, and that a stopped run ends in the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import small, tiny

from hemosight.errors import RunConflict, TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.training import baseline
from hemosight.training.baseline import Baseline, train_baseline
from hemosight.training.baseline_task import BaselineConfig, BaselineTask, Classifier, TrainingStage, class_weights
from hemosight.training.display import Display
from hemosight.training.learner import batch_norms
from hemosight.training.trainer import seed_for

pytestmark = pytest.mark.train


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pixels")


def config(**settings: Any) -> BaselineConfig:
    both: dict[str, Any] = {"encoder": small(), "few": 0, "top_epochs": 2, "all_epochs": 2, "all_lr": 1e-3}
    return BaselineConfig(**{**both, **settings})


def train(catalog: Catalog, cache: Path, settings: BaselineConfig, **options: Any) -> Baseline:
    labels = [str(label) for label in catalog.labels()]
    return train_baseline(catalog, labels, settings, cache=cache, create=tiny, device="cpu", **options)


def bits(trained: Baseline) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in trained.network.state_dict().values())


class Stopper(Display):
    """Pulls the plug after some epochs."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after = after

    def show(self, what: str, done: int, total: int, note: str = "", remaining: float | None = None) -> None:
        if done == self.after:
            raise KeyboardInterrupt


def test_few_images_train_the_top_alone() -> None:
    paper = BaselineConfig()
    assert paper.stages(450) == (TrainingStage(30, 1e-3, top_only=True),)
    assert paper.stages(451) == (TrainingStage(10, 1e-3, top_only=True), TrainingStage(20, 1e-5, top_only=False))


def test_what_a_stage_changes(drawn_catalog: Catalog, cache: Path) -> None:
    top = train(drawn_catalog, cache, config(few=1000, few_epochs=2)).network
    both = train(drawn_catalog, cache, config()).network
    torch.manual_seed(seed_for(0, "top"))
    untouched = Classifier(tiny(small()), 9, 0.2)
    before = untouched.encoder.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in top.encoder.state_dict().items())
    assert not torch.equal(top.top.weight, untouched.top.weight)
    moved = {name for name, tensor in both.encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"network.0.weight", "network.0.bias", "network.3.weight", "network.3.bias"}
    assert len(batch_norms(both.encoder)) == 2, "batch norms stand still, weights and statistics"


def test_it_learns(drawn_catalog: Catalog, cache: Path) -> None:
    trained = train(drawn_catalog, cache, config(top_epochs=5, all_epochs=30, top_lr=2e-2, all_lr=1e-2, batch=12))
    labels = np.array([str(label) for label in drawn_catalog.labels()])
    probabilities = trained.probabilities(drawn_catalog, cache=cache, device="cpu")
    assert trained.losses[-1] < trained.losses[0] - 0.3
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert (np.array(trained.classes)[probabilities.argmax(axis=1)] == labels).mean() > 0.35, "chance is 0.11"


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_stopped_run_ends_in_the_same_bits(drawn_catalog: Catalog, cache: Path, tmp_path: Path, after: int) -> None:
    """Stopped inside the first stage, between the two, and inside the second."""
    whole = train(drawn_catalog, cache, config())
    with pytest.raises(KeyboardInterrupt):
        train(drawn_catalog, cache, config(), folder=tmp_path, display=Stopper(after))
    resumed = train(drawn_catalog, cache, config(), folder=tmp_path)
    assert resumed.losses == whole.losses
    assert bits(resumed) == bits(whole)
    again = train(drawn_catalog, cache, config(), folder=tmp_path)
    assert bits(again) == bits(whole), "a finished run is read"
    with pytest.raises(RunConflict, match="settings", check=lambda fault: fault.code == "run_differs"):
        train(drawn_catalog, cache, config(batch=8), folder=tmp_path)
    with pytest.raises(RunConflict, match="data", check=lambda fault: fault.code == "run_differs"):
        train(drawn_catalog.take(range(60)), cache, config(), folder=tmp_path)


def test_another_seed_is_another_run(drawn_catalog: Catalog, cache: Path) -> None:
    one, other = (train(drawn_catalog, cache, config(seed=seed, all_epochs=1)) for seed in (0, 1))
    assert bits(one) != bits(other)


def test_rare_classes_weigh_more() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    assert weights[0] * 3 + weights[1] * 1 == pytest.approx(4.0), "the mean over cells is one"


def test_cells_without_a_label_are_left_out(drawn_catalog: Catalog, cache: Path) -> None:
    labels = [None if label == "blast" else label for label in drawn_catalog.labels()]
    trained = train_baseline(drawn_catalog, labels, config(), cache=cache, create=tiny, device="cpu")
    assert len(trained.classes) == 8
    assert "blast" not in trained.classes
    assert "None" not in trained.classes


def test_one_class_is_not_enough(drawn_catalog: Catalog, cache: Path) -> None:
    with pytest.raises(TooFewLabels, match="only 'ig'"):
        train_baseline(drawn_catalog, ["ig"] * len(drawn_catalog), config(), cache=cache, create=tiny, device="cpu")


def test_a_contender_learns_rows_and_reads_others(
    drawn_catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline.backbones, "create", lambda *_: tiny(small()))
    labels = np.array([str(label) for label in drawn_catalog.labels()])
    support, queries = np.arange(0, len(labels), 2), np.arange(1, len(labels), 2)
    classes, probabilities = baseline.contender(drawn_catalog, config(), cache=cache)(
        support, labels[support], queries, 3
    )
    assert classes == tuple(sorted(set(labels[support])))
    assert probabilities.shape == (len(queries), len(classes))


def test_a_contender_that_was_stopped_goes_on(
    drawn_catalog: Catalog, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.array([str(label) for label in drawn_catalog.labels()])
    rows = np.arange(0, len(labels), 2), labels[::2], np.arange(1, len(labels), 2), 3
    options: dict[str, Any] = {"cache": cache, "device": "cpu", "create": tiny}
    straight = baseline.contender(drawn_catalog, config(), **options)(*rows)
    epochs: list[int] = []
    whole = BaselineTask.start_epoch

    def epoch(task: BaselineTask, number: int) -> None:
        epochs.append(number)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        whole(task, number)

    monkeypatch.setattr(BaselineTask, "start_epoch", epoch)
    stopped = baseline.contender(drawn_catalog, config(), folder=tmp_path, **options)
    with pytest.raises(KeyboardInterrupt):
        stopped(*rows)
    classes, probabilities = stopped(*rows)
    assert epochs == [0, 1, 2, 2, 3]
    assert classes == straight[0]
    assert np.array_equal(probabilities, straight[1])
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".npz", "nothing but answers is left of a run"


def test_a_contender_is_trained_once(
    drawn_catalog: Catalog, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.array([str(label) for label in drawn_catalog.labels()])
    support, queries = np.arange(0, len(labels), 2), np.arange(1, len(labels), 2)
    epochs: list[int] = []
    whole = BaselineTask.start_epoch

    def epoch(task: BaselineTask, number: int) -> None:
        epochs.append(number)
        whole(task, number)

    monkeypatch.setattr(BaselineTask, "start_epoch", epoch)

    def trains(rows: np.ndarray, seed: int, settings: baseline.BaselineConfig) -> bool:
        epochs.clear()
        contender = baseline.contender(drawn_catalog, settings, folder=tmp_path, cache=cache, device="cpu", create=tiny)
        answers.append(contender(support, labels[support], rows, seed))
        return bool(epochs)

    answers: list[baseline.Answers] = []
    assert trains(queries, 3, config())
    assert not trains(queries, 3, config())
    assert answers[0][0] == answers[1][0]
    assert np.array_equal(answers[0][1], answers[1][1])
    assert trains(queries, 4, config()), "another seed"
    assert trains(queries[1:], 3, config()), "other cells to read"
    assert trains(queries, 3, config(dropout=0.5)), "other settings"
    monkeypatch.setattr(baseline, "code_hash", lambda: "other")
    assert trains(queries, 3, config()), "other code"
