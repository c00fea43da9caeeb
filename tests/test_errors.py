"""Every fault says what was expected, what came and how to mend it."""

from __future__ import annotations

import pickle
import string
from collections import defaultdict

import pytest

from hemosight import errors
from hemosight.errors import HemoSightError, ImageTooSmall
from hemosight.service import errors as service_errors


def _kinds(kind: type[HemoSightError]) -> list[type[HemoSightError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _kinds(child))]


ROOMS = {errors.__name__, service_errors.__name__}
KINDS = [kind for kind in _kinds(HemoSightError) if kind.__module__ in ROOMS and kind is not HemoSightError]


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_has_three_parts(kind: type[HemoSightError]) -> None:
    fields = {
        name
        for part in (kind.expected, kind.came, kind.mend)
        for _, name, _, _ in string.Formatter().parse(part)
        if name
    }
    facts = defaultdict(lambda: 1.0, dict.fromkeys(fields, 1.0))
    message = str(kind(**facts))
    assert message.startswith("expected ")
    assert "; found " in message
    assert kind.mend.strip()
    assert kind.__doc__


def test_the_facts_are_in_the_message() -> None:
    message = str(ImageTooSmall(width=3, height=7, least=16))
    assert "3 x 7" in message
    assert "at least 16 x 16" in message


def test_a_fault_survives_another_process() -> None:
    fault = ImageTooSmall(width=3, height=7, least=16)
    again = pickle.loads(pickle.dumps(fault))  # noqa: S301 -- our own bytes
    assert type(again) is ImageTooSmall
    assert str(again) == str(fault)
