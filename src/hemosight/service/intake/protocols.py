"""Protocols of validations as they come in: what is none is refused before it costs anything."""

from __future__ import annotations

import re
import tomllib

from hemosight.service.errors import Refusal

DEEPEST = 8
"""Dots of one key, at most: reading TOML takes the square of them, and a protocol has no tables in tables."""
LONGEST_TITLE = 200
"""Characters of a title, at most."""
_ASKED = ("title", "written_by", "written_on")
"""What a protocol says before it says anything else; the command reads the rest."""
_MEND = "See the example on the page, or docs/how-to/validate.md."
# One that is not closed goes to the end of its line or of the text: nothing is looked at twice.
QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\\?\Z)'
    r"|'''.*?(?:'{3,5}|\Z)"
    r'|"(?:\\[^\n]|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
_NOT_OF_A_KEY = re.compile(r"[^\w\-. \t]")


def title_of(protocol: str) -> str:
    """The title of a protocol in TOML. Raises :class:`~hemosight.service.errors.Refusal` for what is none."""
    if deepest(protocol) > DEEPEST:
        came = f"a key with more than {DEEPEST} dots"
        raise Refusal("unfit", expected="a protocol in TOML", came=came, mend=_MEND)
    try:
        facts = tomllib.loads(protocol)
    except (ValueError, RecursionError) as error:  # numbers without an end, brackets in brackets
        came = f"a text that is none: {error}"
        raise Refusal("unfit", expected="a protocol in TOML", came=came, mend=_MEND) from error
    if missing := [name for name in _ASKED if not facts.get(name)]:
        came = f"one without {', '.join(missing)}"
        raise Refusal("unfit", expected=f"a protocol with {', '.join(_ASKED)}", came=came, mend=_MEND)
    title = facts["title"]
    if not isinstance(title, str) or len(title) > LONGEST_TITLE or "\x00" in title:
        expected = f"a title that is a text of at most {LONGEST_TITLE} characters, none of them NUL"
        raise Refusal("unfit", expected=expected, came=repr(title)[:100], mend=_MEND)
    return title


def deepest(protocol: str) -> int:
    """Most dots of one key outside of strings and comments: in time that grows with the text alone."""
    return max(part.count(".") for part in _NOT_OF_A_KEY.split(QUOTED.sub(" ", protocol)))
