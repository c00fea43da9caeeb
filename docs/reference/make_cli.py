"""Write docs/reference/cli.md from the command line itself: ``python docs/reference/make_cli.py``.

``tests/test_docs.py`` fails when the page is out of date or an option has no help.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hemosight.cli import app

PAGE = Path(__file__).with_name("cli.md")
_KINDS = {Path: "path", str: "text", int: "whole number", float: "number"}
_HEAD = """\
# Command line

Written by `python docs/reference/make_cli.py` from the commands themselves; edit their help, not this page.

Results go to stdout, progress and faults to stderr. A fault that HemoSight can explain is one message, with what was
expected, what came and how to mend it, and exit code 2. Every command explains itself: `hemosight --help`,
`hemosight classify --help`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden, groups before what they hold: how it is typed, and its click object."""
    yield from _walk("hemosight", typer.main.get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if command.hidden:
        return
    yield name, command
    for inner, held in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {inner}", held)


def page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    contents = [(name, command) for name, command in commands() if not hasattr(command, "commands")]
    rows = [f"| [`{name}`](#{name.replace(' ', '-')}) | {_summary(command)} |" for name, command in contents]
    parts.append("\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n")
    parts += [_section(name, command) for name, command in commands()]
    return "\n".join(parts)


def _summary(command: Any) -> str:
    return _cell(" ".join(inspect.cleandoc(command.help).split("\n\n")[0].split()))


def _section(name: str, command: Any) -> str:
    given = _annotations(command)
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    placed = ["COMMAND"] if hasattr(command, "commands") else [_placeholder(argument) for argument in arguments]
    typed = " ".join([name, *placed, *(["[OPTIONS]"] if options else [])])
    lines = [f"## {name}\n", f"`{typed}`\n", inspect.cleandoc(command.help), ""]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{_placeholder(argument)}` | {_cell(argument.help)} |" for argument in arguments]
        lines.append("")
    if options:
        lines += ["| option | value | default | meaning |", "|---|---|---|---|"]
        for option in options:
            cells = (_names(option), _value(option, *given.get(option.name, (bool, None))), _default(option))
            lines.append(f"| {' | '.join(cells)} | {_cell(option.help)} |")
        lines.append("")
    return "\n".join(lines)


def _annotations(command: Any) -> dict[str, tuple[Any, Any]]:
    """Type of each parameter's value, and what typer was told about it."""
    if command.callback is None:
        return {}
    found = {}
    for name, hint in typing.get_type_hints(command.callback, include_extras=True).items():
        kind, info = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint, None)
        found[name] = (_one_value(kind), info)
    return found


def _one_value(kind: Any) -> Any:
    """The type of one value: what a list holds, and what a union has besides None."""
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    return _one_value(members[0]) if members and typing.get_origin(kind) is not Literal else kind


def _word(kind: Any) -> str:
    """What a type is called on the page; its choices where it has any."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(choice.value) for choice in kind)
    return _KINDS[kind]


def _placeholder(argument: Any) -> str:
    return argument.name.upper() + ("..." if argument.nargs == -1 else "")


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _value(option: Any, kind: Any, info: Any) -> str:
    """What follows the option, and whether it may stand more than once."""
    if option.is_flag:
        return ""
    value = option.metavar or _word(kind)
    low, high = getattr(info, "min", None), getattr(info, "max", None)
    if low is not None and high is not None:
        value += f", {low:g} to {high:g}"
    elif low is not None:
        value += f", at least {low:g}"
    elif high is not None:
        value += f", at most {high:g}"
    return _cell(value + (", repeatable" if option.multiple else ""))


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or (option.is_flag and not option.default):
        return ""
    return f"`{_cell(str(option.default))}`"


def _cell(text: str) -> str:
    """Text that a Markdown table can hold."""
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    typer.echo(PAGE)
