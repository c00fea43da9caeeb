"""Why a case is not signed as it is now: each refusal says what the signer looks at, or does, before trying again."""

from __future__ import annotations

from collections.abc import Sequence

from hemosight.service.desk.signing_checks import Check
from hemosight.service.desk.tally import Tally
from hemosight.service.errors import Refusal


def require_finished(count: Tally, found: Sequence[Check], note: str) -> None:
    """Raise :class:`~hemosight.service.errors.Refusal` where checks stand in the way, or the note gives no reason."""
    if not count.after.total and not any(count.after.apart.values()):
        raise Refusal(
            "unfit", expected="cells to sign for", came="none that are read or labelled", mend="Upload cells first."
        )
    # The scanner has a refusal of its own, which says how to adapt to it.
    blocking = [one.says for one in found if one.open and one.level == "block" and one.name != "foreign"]
    if blocking:
        raise Refusal(
            "in_the_way",
            expected="nothing that stands in the way of a signature here",
            came="; ".join(blocking),
            mend="See to it; the project's administrator sets which checks stand in the way.",
        )
    missing = [one.says for one in found if one.open and one.level == "reason"]
    if missing and not note.strip():
        raise Refusal(
            "in_the_way",
            expected="every cell read and decided",
            came="; ".join(missing),
            mend="Decide them, or say in the note why the differential holds all the same.",
        )


def changed(expected: str, came: str) -> Refusal:
    """Something is otherwise than the signer saw it."""
    return Refusal(
        "in_the_way",
        expected=expected,
        came=f"{came} meanwhile",
        mend="Look at the differential again, then sign.",
    )


def other_cells() -> Refusal:
    """The case has other cells than were counted."""
    return changed("a case whose cells stay while it is signed", "cells that were added, moved or deleted")


def other_counts() -> Refusal:
    """The counts are not those that the signer saw."""
    return Refusal(
        "in_the_way",
        expected="the counts that you looked at",
        came="other counts: labels or readings have changed meanwhile",
        mend="Look at the differential again, then sign.",
    )


def unseen_findings() -> Refusal:
    """The signer did not say which remark they saw."""
    return Refusal(
        "in_the_way",
        expected="the version of the case's remark and grades that you looked at, as `findings`",
        came="none, and the case has some",
        mend="Look at the remark and grades, then sign with their version.",
    )


def unseen_facts() -> Refusal:
    """The signer did not say which specimen, scanner profile and report settings they saw."""
    return Refusal(
        "in_the_way",
        expected="`facts` of the case's signing as you looked at it: its specimen, scanner and the report's settings",
        came="none, and the case has a specimen or the report has reference ranges",
        mend="Look at `specimen`, `profile` and `settings` of the case's signing, then sign with its `facts`.",
    )


def no_record_seen() -> Refusal:
    """The second signer did not say which record they saw."""
    return Refusal(
        "in_the_way",
        expected="the first signature whose record you looked at, as `countersigns`",
        came="none",
        mend="Look at the record, then sign it second with its signature's `id`.",
    )


def uncounted(cells: int) -> Refusal:
    """So many cells of the case's fields are in no count."""
    return Refusal(
        "in_the_way",
        expected="every cell of the case's fields counted once",
        came=f"{cells} that count nowhere, since another field that counted them is gone",
        mend="Wait until they are counted; or open the field, and count them there or remove them.",
    )
