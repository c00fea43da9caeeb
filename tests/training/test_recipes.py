from __future__ import annotations

import pytest
from pydantic import ValidationError

from hemosight.errors import BadSetting, UnknownName
from hemosight.training.augment import VIEWS
from hemosight.training.recipes import RECIPES, PretrainConfig, resolve

pytestmark = pytest.mark.train


def test_paper_is_what_was_published() -> None:
    paper = RECIPES["paper"]
    assert paper.backbone == "tf_efficientnetv2_b0"
    assert paper.weights == "imagenet"
    assert (paper.batch, paper.views_per_image) == (100, 2)
    assert (paper.loss, paper.margin, paper.metric, paper.head) == ("triplet", 0.5, "L2", None)
    assert (paper.dropout, paper.freeze_batch_norm) == (0.2, True)
    assert (paper.optimizer, paper.lr, paper.betas, paper.eps) == ("adam", 1e-5, (0.9, 0.999), 1e-7)
    assert (paper.weight_decay, paper.epochs) == (0, 30)
    assert (paper.schedule, paper.plateau_factor, paper.plateau_patience, paper.plateau_floor) == (
        "plateau",
        0.1,
        4,
        1e-7,
    )
    assert (paper.early_stopping, paper.keep) == (5, "best")
    assert (paper.crop, paper.size) == (224, 224)
    assert paper.views.rotation == 90
    assert paper.views.zoom == (0.9, 1.1)
    assert paper.views.translation * paper.size == pytest.approx(20)
    views = paper.views
    assert (views.brightness, views.contrast, views.saturation, views.hue) == (0.2, 0.2, 0.2, 0.2)
    assert (views.blur_chance, views.noise_chance) == (0, 0)


def test_settings_arrive_as_text_or_as_values() -> None:
    text = resolve("default", {"lr": "1e-3", "head": "none", "betas": "[0.8, 0.9]", "channels_last": "false"})
    values = resolve("default", {"lr": 1e-3, "head": None, "betas": (0.8, 0.9), "channels_last": False})
    assert text == values
    assert text.lr == 1e-3
    assert text.betas == (0.8, 0.9)
    assert resolve("default", {"weights": "none"}).weights == "none"  # a word there, and no null
    assert resolve("default", {"minutes": "none"}).minutes is None


def test_views_are_chosen_first_and_changed_after() -> None:
    config = resolve("default", {"views.blur_chance": "0.5", "views": "paper"})
    assert config.views.blur_chance == 0.5
    assert config.views.hue == VIEWS["paper"].hue


def test_every_recipe_survives_its_own_json() -> None:
    for name, config in RECIPES.items():
        assert PretrainConfig.model_validate_json(config.model_dump_json()) == config
        assert config.recipe == name


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learning_rate": "1"}, "learning_rate"),
        ({"views.spin": "1"}, "views.spin"),
        ({"lr.x": "1"}, "lr.x"),
        ({"recipe": "mine"}, "recipe"),
        ({"lr": "fast"}, "lr='fast'"),
        ({"epochs": "0"}, "greater than or equal to 1"),
        ({"loss": "hinge"}, "ntxent"),
        ({"size": "130"}, "try field="),
        ({"field": "100"}, "at least crop"),
        ({"micro_batches": "7"}, "divide by micro_batches"),
        ({"keep": "best", "validation": "0"}, "nothing to stop"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(settings: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says.replace(".", r"\.")) as error:
        resolve("default", settings)
    assert "temperature" in str(error.value)  # the keys are listed


def test_the_field_that_is_suggested_fits() -> None:
    with pytest.raises(BadSetting) as error:
        resolve("default", {"size": "130", "crop": "234"})
    field = int(str(error.value).split("try field=")[1].split(";")[0])
    config = resolve("default", {"size": 130, "crop": 234, "field": field})
    assert config.wide_preprocessing.size >= 130 * 2**0.5


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="default, paper"):
        resolve("best")
    with pytest.raises(UnknownName, match="paper"):
        resolve("default", {"views": "wild"})


def test_a_config_is_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        resolve("default").lr = 1.0
    with pytest.raises(ValidationError):
        PretrainConfig.model_validate({"learning_rate": 1.0})
