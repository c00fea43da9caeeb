"""The words of a report: templates beside it, filled with numbers out of its tables.

``templates/<study>.txt.j2`` has a block for everything that a section says: ``text`` (paragraphs, apart by an empty
line), ``claims`` (one a paragraph, in lines: what, value, on what it rests, and, where it has one, the paper's value),
and one for each caption. Lines may be broken anywhere within a sentence; blocks and paragraphs that come out empty are
not there.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import jinja2

from hemosight.blood.vocabulary import title
from hemosight.lab.report.figure import Claim, source_name


class Prose:
    """The words of one study.

    Parameters
    ----------
    study
        Name of its template.
    values
        What the template is filled with; one that is missing is an error.
    """

    def __init__(self, study: str, **values: Any) -> None:
        self._template = _environment().get_template(f"{study}.txt.j2")
        # A block that is rendered alone does not know the macros around it: they are taken from a page of empty blocks.
        page = self._template.new_context(values)
        page.blocks.update({name: [lambda _: iter(())] for name in page.blocks})
        for _ in self._template.root_render_func(page):
            pass
        self._values = values | page.get_exported()

    def block(self, name: str) -> str:
        """A block as one line."""
        return " ".join(self._rendered(name).split())

    def paragraphs(self, name: str = "text") -> tuple[str, ...]:
        """The paragraphs of a block."""
        return tuple(" ".join(part.split()) for part in _apart(self._rendered(name)))

    def claims(self) -> tuple[Claim, ...]:
        """What the section claims."""
        return tuple(Claim(*(line.strip() for line in part.splitlines())) for part in _apart(self._rendered("claims")))

    def _rendered(self, name: str) -> str:
        context = self._template.new_context(self._values)
        return "".join(self._template.blocks[name](context))


def _apart(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _count(value: float) -> str:
    """A whole number with its thousands apart; without end where it is infinite."""
    return f"{value:,.0f}" if math.isfinite(value) else "no end"


def _spread(row: dict[str, float | None]) -> str:
    """A mean with its standard deviation where it has one."""
    return f"{row['mean']:.3f}" + (f" ± {row['sd']:.3f}" if row["sd"] is not None else "")


def _interval(row: dict[str, float]) -> str:
    """A figure with its 95% interval."""
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _one_line(value: Any) -> Any:
    """Names that users gave break no paragraph."""
    return " ".join(value.split()) if isinstance(value, str) and "\n" in value else value


@cache
def _environment() -> jinja2.Environment:
    # Plain text: the page escapes it.
    environment = jinja2.Environment(  # noqa: S701 -- plain text; the page escapes it
        loader=jinja2.PackageLoader("hemosight.lab.report"),
        undefined=jinja2.StrictUndefined,
        finalize=_one_line,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "digits": lambda value, places=3: f"{float(value):.{places}f}",
        "general": lambda value: f"{float(value):g}",
        "percent": lambda value: f"{float(value):.1%}",
        "signed": lambda value: f"{float(value):+.3f}",
        "spread": _spread,
        "interval": _interval,
        "type": title,
        "source": source_name,
        "words": lambda name: str(name).replace("_", " "),
    }
    return environment
