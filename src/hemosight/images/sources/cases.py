"""Which of the folders above a class name the patient.

What lies inside a case (its slides, its days) is of the same patient, but a number around cases may be a ward's or a
year's: cutting there would make one patient of all of them. So a word (Patient_1) decides before a number, a number
in a number keeps both, and a date is left out only where the rest of the name is one person's everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from hemosight.images.sources import roles

Names = tuple[str, ...]
_OWN_DIGITS = 6
_OWN_DIGITS_OF_YEAR = 4
"""Digits of a number (1234567, 24-1093) that no two patients share; shorter ones start anew on another day."""


def patients(cases: Sequence[Names]) -> list[Names]:
    """For the folders above each picture's class, from the outermost, those that name its patient."""
    distinct = set(cases)
    beside: dict[Names, set[str]] = defaultdict(set)
    around: set[Names] = set()
    for case in distinct:
        for at, name in enumerate(case):
            beside[case[:at]].add(name)
            if roles.is_number(name) or roles.is_person(name):
                around |= {case[:above] for above in range(1, at + 1)}
    numbers = {case: _numbers(case, beside, around) for case in distinct}
    inside: dict[tuple[int, Names], set[str]] = defaultdict(set)
    for case, found in numbers.items():
        for depth, (outer, inner) in enumerate(pairwise(found)):
            if not any(map(roles.is_person, case)):
                inside[depth, case[: outer + 1]].add(case[inner])
    branching = {depth for (depth, _), names in inside.items() if len(names) > 1}
    named: dict[Names, Names] = {}
    for case, found in numbers.items():
        end = _end(case, found, branching)
        own = end - 1 in found and _is_own(case[end - 1])
        kept = enumerate(case[:end])
        named[case] = tuple(name for at, name in kept if not own or at in found or not is_occasion(name))
    return [named[case] for case in cases]


def is_ward(outer: str, inner: str) -> bool:
    """Whether a number in a number is a case in something else: 24-1093 in 0412."""
    return outer.strip().isdigit() and not inner.strip().isdigit()


def is_occasion(name: str) -> bool:
    """Whether a folder is called by a day, slide or version, in which a patient may be seen again."""
    return roles.is_date(name) or roles.is_material(name) or roles.is_release(name)


def _numbers(case: Names, beside: dict[Names, set[str]], around: set[Names]) -> list[int]:
    """Where numbers of cases stand, from the outermost, without those of a case's slides (24-1093/24-1093-1)."""
    found: list[int] = []
    for at, name in enumerate(case):
        if found and roles.is_material(name):
            break
        # A date beside numbers of cases is one more, unless there are cases in it.
        dated = roles.is_date(name) and case[: at + 1] not in around and any(map(roles.is_number, beside[case[:at]]))
        if roles.is_number(name) or dated:
            if found and _is_part(name.strip(), case[found[-1]].strip()):
                break
            found.append(at)
    return found


def _end(case: Names, numbers: list[int], branching: set[int]) -> int:
    """How many of the folders reach down to the patient's."""
    person = next((at for at, name in enumerate(case) if roles.is_person(name)), None)
    if person is not None:
        return person + 1
    material = next((at for at, name in enumerate(case) if roles.is_material(name)), None)
    if numbers and not (material is not None and material < numbers[0] and case[numbers[0]].strip().isdigit()):
        deep = [
            inner
            for depth, (outer, inner) in enumerate(pairwise(numbers))
            if depth in branching or is_ward(case[outer], case[inner])
        ]
        return (deep or numbers)[-1 if deep else 0] + 1
    if material is None:
        return len(case)
    # Slides of a date may be those of a case that is called like one (24-03).
    return material if any(map(roles.is_date, case[:material])) else material + 1


def _is_own(name: str) -> bool:
    """Whether a name is one patient's on every day: 24-1093, but not Case_1 nor 0001."""
    digits = sum(map(str.isdecimal, name))
    return not roles.is_patient(name) and digits >= (_OWN_DIGITS if name.strip().isdigit() else _OWN_DIGITS_OF_YEAR)


def _is_part(name: str, outer: str) -> bool:
    """Whether a number is that of a case and a slide of it; 2401/2401-093 and 2020.1/2020.1-17 may be cases."""
    own = not outer.isdigit() or len(outer) >= _OWN_DIGITS
    return own and outer[-3:].isdigit() and name.startswith(outer) and not name[len(outer) :][:1].isalnum()
