"""Every fault says what was expected, what came and how to mend it, and has a code that is listed."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import get_args

import pytest

import hemosight
from hemosight import errors
from hemosight.errors import ErrorCode, ExtraMissing, HemoSightError, TooFewLabels, UnreadableImage
from hemosight.service.errors import STATUS, NothingThere, Refusal, ServiceFault

ROOT = Path(hemosight.__file__).parent
CODES = set(get_args(ErrorCode))
FAULTS = [
    UnreadableImage("3 x 7 pixels", code="image_too_small"),
    ExtraMissing("train", "torch"),
    TooFewLabels(came="no labelled cell"),
    NothingThere(kind="a project"),
    Refusal("too_many_tries", expected="a pause", came="a try", mend="Wait.", retry_after=3.0),
    ServiceFault("port_taken", expected="a free port", came="none", mend="Choose another."),
]


def _kinds(kind: type[HemoSightError]) -> list[type[HemoSightError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _kinds(child))]


KINDS = [kind for kind in _kinds(HemoSightError) if kind.__module__ == errors.__name__]


def test_a_message_has_three_parts() -> None:
    fault = HemoSightError(expected="at least 20 cells", came=3, mend="Add cells.")
    assert fault.parts == ("at least 20 cells", "3", "Add cells.")
    assert str(fault) == "expected at least 20 cells; found 3. Add cells."


def test_braces_in_what_came_are_left_alone() -> None:
    assert "{brace}" in str(UnreadableImage("a {brace}"))


def test_a_code_of_its_own_goes_before_that_of_the_class() -> None:
    assert UnreadableImage("text").code == "unreadable_image"
    assert UnreadableImage("text", code="image_blank").code == "image_blank"
    assert (ExtraMissing("train", "torch").code, ExtraMissing("study", "umap-learn").code) == (
        "training_extra_missing",
        "study_extra_missing",
    )
    for code, status in STATUS.items():
        fault = Refusal(code, expected="a {brace}", came="another", mend="Mend it.")
        assert (fault.code, fault.status) == (code, status)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.code)
def test_a_fault_survives_another_process(fault: HemoSightError) -> None:
    again = pickle.loads(pickle.dumps(fault))  # noqa: S301 -- our own bytes
    assert (type(again), again.code, again.parts, str(again)) == (type(fault), fault.code, fault.parts, str(fault))
    assert getattr(again, "retry_after", None) == getattr(fault, "retry_after", None)


def test_the_core_lists_each_code_that_it_raises_and_no_other() -> None:
    raised = {kind.code for kind in KINDS} | set(ExtraMissing.CODES.values())
    names = {kind.__name__ for kind in KINDS}
    for text in (file.read_text() for file in ROOT.rglob("*.py")):
        if "code=" not in text or not any(name in text for name in names):
            continue  # parsing everything takes a second
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                given = [word.value for word in node.keywords if word.arg == "code"]
                raised |= {code.value for code in given if isinstance(code, ast.Constant) and code.value}
    assert raised == CODES


def test_there_are_few_kinds_and_each_is_of_use() -> None:
    assert len(KINDS) <= 20
    assert len(set(_kinds(HemoSightError)) - {HemoSightError}) <= 22, "with those of the service"
    texts = [file.read_text() for file in ROOT.rglob("*.py") if file.name != "errors.py"]
    unused = [kind.__name__ for kind in KINDS if not any(kind.__name__ in text for text in texts)]
    assert unused == []
