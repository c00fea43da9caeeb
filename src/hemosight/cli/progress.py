"""Progress on stderr: a bar for each step where it is a terminal, silence where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from hemosight.images.catalog import Progress


@contextmanager
def bars(*doing: str, in_bytes: bool = False) -> Iterator[tuple[Callable[[str], None], list[Progress]]]:
    """A way to say something and a progress bar for each step, on stderr; the bars only where it is a terminal."""
    from rich import progress as rich
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True)
    amount = [rich.DownloadColumn(), rich.TransferSpeedColumn()] if in_bytes else [rich.MofNCompleteColumn()]
    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), *amount, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def progress_of(task: TaskID) -> Progress:
            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, visible=True)

            return progress

        def say(words: str) -> None:
            console.print(words, markup=False, highlight=False)

        yield say, [progress_of(bar.add_task(step, total=None, visible=False)) for step in doing]
