"""How a run shows itself while it goes: a bar where someone watches, lines where a file does."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_EVERY = 30.0
"""Seconds between two lines in a log."""


class Display:
    """Progress of one run on standard error. Says nothing where ``quiet``."""

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, quiet=quiet)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.spoken = time.monotonic()

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False, soft_wrap=True)
        self.spoken = time.monotonic()

    def show(self, what: str, done: int, total: int, note: str = "", remaining: float | None = None) -> None:
        """Where a piece of work stands; ``remaining`` in seconds, for logs, which cannot tell by themselves."""
        if not self.bar.disable:
            if what not in self.tasks:
                self.tasks[what] = self.bar.add_task(what, total=total, note=note)
            self.bar.update(self.tasks[what], completed=done, total=total, note=note)
        elif time.monotonic() - self.spoken >= _EVERY:
            left = "" if remaining is None else f", {clock(remaining)} left"
            self.say(f"{what} {done}/{total}{' ' if note else ''}{note}{left}")


def clock(seconds: float) -> str:
    """``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
