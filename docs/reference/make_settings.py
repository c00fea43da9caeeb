"""Write docs/reference/settings.md from the service's settings: ``python docs/reference/make_settings.py``.

``tests/service/test_settings.py`` fails when the page is out of date or a setting says nothing of itself.
"""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path

import typer

from hemosight.service.settings import PREFIX, Settings

PAGE = Path(__file__).with_name("settings.md")
_HEAD = f"""\
# Settings of the review service

Written by `python docs/reference/make_settings.py` from the settings themselves; edit them, not this page.

A setting is taken from the first of these that names it: an option of `hemosight serve`, an environment variable
`{PREFIX}<NAME>`, the file given with `--settings` (TOML with the names below as keys, or `KEY=value` lines where it
ends in `.env`), the default. An unknown key is a fault, not a comment. Do not confuse `{PREFIX}DATA_DIR`, where the
service keeps its database, with `{PREFIX}DATA`, where public data sets lie.

| setting | variable | value | default | meaning |
|---|---|---|---|---|
"""
_WORDS = {Path: "path", str: "text", int: "whole number", float: "number", bool: "true or false"}


def page() -> str:
    """The page, as Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{_written(field.default)}`"
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {_kind(field.annotation)} | {default} | {meaning} |")
    return _HEAD + "\n".join(rows) + "\n"


def _kind(kind: typing.Any) -> str:
    if isinstance(kind, types.UnionType):
        return _kind(next(member for member in typing.get_args(kind) if member is not type(None)))
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return "list"
    if typing.get_origin(kind) is dict:
        return "JSON object"
    return _WORDS.get(kind, "text")


def _written(value: typing.Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    typer.echo(PAGE)
