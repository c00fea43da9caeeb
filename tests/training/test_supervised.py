"""Training with labels of several laboratories: what is drawn, what rests, what is learnt, and that runs go on."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import Stopper, TinyNetwork
from torch import Tensor, nn

from hemosight.errors import BadSetting, RunConflict, TooFewCells, TooFewLabels
from hemosight.images.catalog import Catalog
from hemosight.training import backbones, supervised
from hemosight.training.baseline_task import Classifier
from hemosight.training.display import Display
from hemosight.training.distributed import Processes
from hemosight.training.labelled_cells import NO_CELL, LabelledCells, drawing_shares, training_labels
from hemosight.training.supervised import train_supervised
from hemosight.training.supervised_config import SupervisedConfig
from hemosight.training.supervised_task import SupervisedTask, early_layers, make_optimizer

pytestmark = pytest.mark.train
SETTINGS: dict[str, Any] = {
    "backbone": "tiny",
    "size": 32,
    "field": 336,
    "window": 28,
    "batch": 12,
    "steps": 8,
    "lr": 0.05,
    "dropout": 0.0,
    "checkpoint_minutes": 1e-9,
}


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(name: str, weights: str) -> backbones.Encoder:
        assert name == "tiny"
        encoder = backbones.Encoder("tiny", TinyNetwork(norm=True))
        if weights != "imagenet":
            encoder.load_state_dict(load_file(weights))
        return encoder

    monkeypatch.setattr(supervised.backbones, "create", create)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pixels")


def config(**settings: Any) -> SupervisedConfig:
    return SupervisedConfig(**{**SETTINGS, **settings})


def state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_laboratories_and_types_are_drawn_by_the_root_of_their_number() -> None:
    laboratories = np.array(["a"] * 100 + ["b"] * 4)
    types = np.array(["blast"] * 100 + ["blast"] * 4)
    shares = drawing_shares(laboratories, types, 0.5)
    assert shares.sum() == pytest.approx(1)
    assert shares[:100].sum() / shares[100:].sum() == pytest.approx(5)
    assert np.allclose(drawing_shares(laboratories, types, 1.0), 1 / 104)
    doubted = drawing_shares(laboratories, types, 0.5, {"a/blast": 0.2})
    assert doubted[:100].sum() == pytest.approx(doubted[100:].sum())


def test_smudges_are_learnt_as_no_cell_and_the_unidentified_are_not_learnt() -> None:
    table = pl.DataFrame(
        {
            "id": ["1", "2", "3", "4"],
            "path": ["1.png", "2.png", "3.png", "4.png"],
            "label": ["blast", None, None, None],
            "subtype": ["promonocyte", "smudge", "unidentified", None],
        },
        schema_overrides={"label": pl.String, "subtype": pl.String},
    )
    assert training_labels(Catalog(table)) == ["blast", NO_CELL, None, None]


def test_the_first_layers_of_an_efficientnet_rest_and_others_have_none() -> None:
    import timm

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="")
    early = early_layers(network, 2)
    assert early[0] is network.conv_stem
    assert early[-1] is dict(network.named_modules())["blocks.1"]
    assert early_layers(network, 0) == []
    assert early_layers(TinyNetwork(norm=True), 2) == []


def test_each_layer_learns_at_a_rate_of_its_own_weights() -> None:
    network = Classifier(backbones.Encoder("tiny", TinyNetwork(norm=True)), 3, 0.0)
    with torch.no_grad():
        dict(network.named_parameters())["encoder.network.0.weight"].mul_(10)
    names = [name for name, _ in network.named_parameters()]
    rates = dict(zip(names, (group["lr"] for group in make_optimizer(network, config()).param_groups), strict=True))
    first, second = (dict(network.named_parameters())[f"encoder.network.{i}.weight"] for i in (0, 3))
    expected = float((first.square().mean() / second.square().mean()).sqrt().detach())
    assert expected > 5
    assert rates["encoder.network.0.weight"] / rates["encoder.network.3.weight"] == pytest.approx(expected, rel=1e-5)
    assert rates["top.weight"] == config().head_lr


def test_it_learns_and_leaves_an_encoder_to_pack(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    assert train_supervised(drawn_catalog, config(steps=80, head_lr=0.03), tmp_path, cache=cache, command=["typed"])
    losses = pl.read_csv(tmp_path / "log.csv")["loss"].to_numpy()
    assert len(losses) == 80
    assert losses[-15:].mean() < losses[:5].mean() - 0.1
    facts = json.loads((tmp_path / "encoder.json").read_text())
    assert facts["preprocessing"] == {"grey_world": True, "crop": 224, "size": 32, "padding": "reflect"}
    assert facts["provenance"]["command"] == ["typed"]
    assert sum(sum(types.values()) for types in facts["provenance"]["cells"].values()) == len(drawn_catalog)
    saved = state(tmp_path)
    moved = (saved["averaged"]["top.weight"] - saved["network"]["top.weight"]).abs().max()
    assert 0 < float(moved) < 0.1, "averaged weights trail those that are trained"


def test_a_stopped_run_goes_on_to_the_same_bits(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train_supervised(drawn_catalog, config(), whole, cache=cache)
    assert not train_supervised(drawn_catalog, config(), parts, cache=cache, display=Stopper(3))
    assert state(parts)["step"] == 3
    assert train_supervised(drawn_catalog, config(), parts, cache=cache, resume=True)
    first, second = state(whole), state(parts)
    for kind in ("network", "averaged"):
        assert all(torch.equal(tensor, second[kind][name]) for name, tensor in first[kind].items())
    assert (whole / "encoder.safetensors").read_bytes() == (parts / "encoder.safetensors").read_bytes()
    assert pl.read_csv(parts / "log.csv")["step"].to_list() == list(range(1, 9))


def test_what_a_folder_refuses(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(RunConflict, check=lambda fault: fault.code == "run_missing"):
        train_supervised(drawn_catalog, config(), tmp_path, cache=cache, resume=True)
    train_supervised(drawn_catalog, config(steps=2), tmp_path, cache=cache)
    with pytest.raises(RunConflict, check=lambda fault: fault.code == "run_exists"):
        train_supervised(drawn_catalog, config(steps=2), tmp_path, cache=cache)
    with pytest.raises(RunConflict, match="settings", check=lambda fault: fault.code == "run_differs"):
        train_supervised(drawn_catalog, config(steps=3), tmp_path, cache=cache, resume=True)
    with pytest.raises(RunConflict, match="data", check=lambda fault: fault.code == "run_differs"):
        train_supervised(drawn_catalog.take(np.arange(20)), config(steps=2), tmp_path, cache=cache, resume=True)


def test_one_type_alone_teaches_nothing(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    blasts = drawn_catalog.where(pl.col("label") == "blast")
    with pytest.raises(TooFewLabels, match="blast"):
        train_supervised(blasts, config(), tmp_path, cache=cache)


def test_two_laboratories_need_a_type_that_both_have_and_unreadable_files_are_named(
    drawn_catalog: Catalog, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(drawn_catalog.paths[0].read_bytes()[:-200])  # its header says enough to be in a catalog
    bad = Catalog.scan([{"path": str(damaged), "label": "blast"}])
    both = Catalog.concat([drawn_catalog, bad]).table
    half = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("here")).otherwise(pl.lit("there"))
    own = both.with_columns(source=half, label=pl.lit("own ") + pl.col("label"))
    said: list[str] = []
    monkeypatch.setattr(Display, "say", lambda _, text: said.append(text))
    with pytest.raises(
        TooFewCells, match=r"here does, of the type neutrophil; found 0\. .*scanner_type=TYPE.*own blast"
    ):
        train_supervised(Catalog(own), config(), tmp_path / "run", cache=cache)
    assert any(line.startswith(f"left out: {damaged}: expected ") for line in said), said


def test_a_student_learns_what_its_teacher_says_of_a_view_and_its_turns(
    drawn_catalog: Catalog, cache: Path, tmp_path: Path
) -> None:
    settings = config(teacher_share=0.999, teacher_turns=4, steps=60)
    data = LabelledCells.prepare(drawn_catalog, settings, cache, Display(quiet=True))
    torch.manual_seed(3)
    teacher, student = (
        Classifier(backbones.Encoder("tiny", TinyNetwork(norm=True)), len(data.classes), 0.0) for _ in range(2)
    )
    nn.init.normal_(teacher.top.weight, std=2.0)  # sure of something, and right only by chance
    task = SupervisedTask(student, settings, data, Processes(), teachers=[teacher])
    pixels = data.pixels[data.cells[:64]][:, 8:36, 8:36]
    views = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()

    def said(network: Classifier, turns: int) -> Tensor:
        with torch.no_grad():
            each = [network(torch.rot90(views, turn, (2, 3))).softmax(1) for turn in range(turns)]
        return torch.stack(each).mean(dim=0)

    before = float((said(task.averaged, 1) - said(teacher, 4)).abs().mean())
    weights = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    losses = [task.step(None, 0, number).loss for number in range(settings.steps)]
    after = float((said(student.eval(), 1) - said(teacher, 4)).abs().mean())
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert after < 0.7 * before
    assert all(torch.equal(tensor, weights[name]) for name, tensor in teacher.state_dict().items())


def test_a_teacher_of_other_classes_is_refused(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    fewer = drawn_catalog.where(pl.col("label") != "blast")
    train_supervised(fewer, config(steps=2), tmp_path / "teacher", cache=cache)
    taught = config(steps=2, teachers=(str(tmp_path / "teacher"),))
    with pytest.raises(BadSetting, match="Train the teacher on the same laboratories"):
        train_supervised(drawn_catalog, taught, tmp_path / "student", cache=cache)
    train_supervised(drawn_catalog, config(steps=2), tmp_path / "other", cache=cache)
    taught = config(steps=2, teachers=(str(tmp_path / "other"),))
    assert train_supervised(drawn_catalog, taught, tmp_path / "student", cache=cache)
    said = json.loads((tmp_path / "student/run.json").read_text())
    assert said["recipe"]["teachers"] == [str(tmp_path / "other")]
    (teacher,) = said["taught_by"]
    assert teacher["encoder"] == hashlib.sha256((tmp_path / "other/encoder.safetensors").read_bytes()).hexdigest()
    assert teacher["recipe"]["steps"] == 2


def test_a_run_goes_on_with_the_same_teacher_alone(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    train_supervised(drawn_catalog, config(steps=2), teacher, cache=cache)
    taught = config(teachers=(str(teacher),))
    assert not train_supervised(drawn_catalog, taught, tmp_path / "run", cache=cache, display=Stopper(3))
    shutil.rmtree(teacher)
    train_supervised(drawn_catalog, config(steps=3), teacher, cache=cache)
    with pytest.raises(RunConflict, match="teachers"):
        train_supervised(drawn_catalog, taught, tmp_path / "run", cache=cache, resume=True)


def test_half_precision_learns_as_well(drawn_catalog: Catalog, cache: Path, tmp_path: Path) -> None:
    assert train_supervised(drawn_catalog, config(precision="bf16"), tmp_path / "half", cache=cache)
    assert train_supervised(drawn_catalog, config(), tmp_path / "whole", cache=cache)
    half, whole = (pl.read_csv(tmp_path / name / "log.csv")["loss"].to_numpy() for name in ("half", "whole"))
    assert np.abs(half - whole).max() < 0.1
    assert (half != whole).any()
