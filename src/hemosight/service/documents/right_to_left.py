"""Text that is written from right to left, for a page that sets signs from left to right.

Arabic letters join: each is replaced by the form that it has between its neighbours, as Unicode's presentation forms
have it (Unicode 16, chapter 9.2, rules R1 to R7). Lines are then brought into the order in which signs stand on paper
by the bidirectional algorithm (UAX 9), as fpdf2 has it.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from fpdf.bidi import BIDI_BRACKETS, BidiParagraph, auto_detect_base_direction
from fpdf.enums import TextDirection

_FORMS = [*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00)]
"""Where Unicode keeps the forms of letters."""
_LAM, _TATWEEL, _AE = "\u0644", "\u0640", "\u06d5"
_CAUSES = (_TATWEEL, "\u200d")
"""Join on both sides and have one form: the stroke that lengthens, the joiner that is not seen."""
_MIRRORED = {one: facts["pair"] for one, facts in BIDI_BRACKETS.items()} | dict(
    zip("<>\u00ab\u00bb\u2039\u203a\u2264\u2265", "><\u00bb\u00ab\u203a\u2039\u2265\u2264", strict=True)
)


@cache
def _forms() -> dict[str, dict[str, str]]:
    """The forms of every letter, and of lam with an alef, by what they are: isolated, initial, medial, final."""
    found: dict[str, dict[str, str]] = {}
    for code in _FORMS:
        kind, *letters = unicodedata.decomposition(chr(code)).split()[:3] or [""]
        text = "".join(chr(int(letter, 16)) for letter in letters)
        if kind[1:-1] in ("isolated", "initial", "medial", "final") and (
            (len(text) == 1 and unicodedata.category(text) == "Lo") or (len(text) == 2 and _is_lam_alef(text))
        ):
            found.setdefault(text, {}).setdefault(kind[1:-1], chr(code))
    # Unicode has none for this letter of Kurdish and Uyghur: it looks as heh does at the end of a word.
    found[_AE] = {"isolated": _AE, "final": "\ufeea"}
    return found


def _is_lam_alef(text: str) -> bool:
    return text[0] == _LAM and text[1] in "\u0622\u0623\u0625\u0627"


def joined(text: str) -> str:
    """A text with its Arabic letters in the forms in which they join; other scripts stay as they are.

    A letter of the Arabic block that joins and of which Unicode has no forms stays as well: :func:`unjoined` says so.
    """
    if not any("\u0600" <= sign <= "\u06ff" for sign in text):
        return text
    forms, made = _forms(), list(text)
    # Marks stand on letters and do not part them.
    letters = [place for place, sign in enumerate(text) if unicodedata.category(sign) not in ("Mn", "Me")]
    units: list[tuple[str, list[int]]] = []
    for place in letters:
        if units and units[-1][0] == _LAM and _is_lam_alef(_LAM + text[place]):
            units[-1] = (_LAM + text[place], [*units[-1][1], place])
        else:
            units.append((text[place], [place]))
    for number, (letter, places) in enumerate(units):
        own = forms.get(letter)
        if own is None:
            continue
        before = units[number - 1][0] if number else ""
        after = units[number + 1][0] if number + 1 < len(units) else ""
        joins_before = "final" in own and (before in _CAUSES or "initial" in forms.get(before, {}))
        joins_after = "initial" in own and (after in _CAUSES or "final" in forms.get(after, {}))
        kind = {(True, True): "medial", (True, False): "final", (False, True): "initial"}.get(
            (joins_before, joins_after), "isolated"
        )
        made[places[0]] = own.get(kind) or own.get("isolated") or letter
        for place in places[1:]:
            made[place] = ""
    return "".join(made)


def unjoined(sign: str) -> bool:
    """Whether a sign is an Arabic letter that cannot be set, since Unicode has no forms of it."""
    return "\u0620" <= sign <= "\u06ff" and unicodedata.category(sign) == "Lo" and sign not in _forms()


def goes_left(text: str) -> bool:
    """Whether any of a text runs from right to left."""
    return any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in text)


def begins_right(text: str) -> bool:
    """Whether a paragraph is one that begins at the right."""
    return auto_detect_base_direction(text) == TextDirection.RTL


def on_paper(line: str, *, from_right: bool | None = None) -> str:
    """A line with its signs as they stand on paper from left to right, brackets turned where they are in such a run.

    ``from_right`` says where its paragraph begins; None: by its first letter.
    """
    if not goes_left(line):
        return line
    base = None if from_right is None else TextDirection.RTL if from_right else TextDirection.LTR
    signs = BidiParagraph(line, base).get_reordered_characters()
    return "".join(
        _MIRRORED.get(one.character, one.character) if one.embedding_level % 2 else one.character for one in signs
    )
