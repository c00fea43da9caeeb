"""What a person writes into a report of a fault."""

from __future__ import annotations

from typer.testing import CliRunner

from hemosight import __version__
from hemosight.cli import app


def test_the_program_says_its_version_and_ends() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"hemosight {__version__}\n")
