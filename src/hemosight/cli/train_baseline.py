"""``--train-baseline SIZE[:FOLDS]``: at which sizes the baseline's network is trained as a whole."""

from __future__ import annotations

from typing import Annotated

import typer


def sizes_of(texts: list[str] | None) -> dict[int | None, int]:
    """Labels of each class, None for ``all``, and in how many folds, as they are written on a command line."""
    from hemosight.lab.studies.label_efficiency import FOLDS

    sizes: dict[int | None, int] = {}
    for text in texts or ():
        size, colon, folds = text.partition(":")
        if size != "all" and not (size.isdecimal() and int(size)):
            raise typer.BadParameter(f"{text!r} is neither a number of labels nor all", param_hint="--train-baseline")
        if colon and not (folds.isdecimal() and 1 <= int(folds) <= FOLDS):
            raise typer.BadParameter(f"{text!r} names no number of folds, 1 to {FOLDS}", param_hint="--train-baseline")
        sizes[None if size == "all" else int(size)] = int(folds or FOLDS)
    return sizes


def _checked(texts: list[str] | None) -> list[str] | None:
    sizes_of(texts)  # a slip is said before hours of reading
    return texts


TrainBaseline = Annotated[
    list[str] | None,
    typer.Option(
        "--train-baseline",
        metavar="SIZE[:FOLDS]",
        callback=_checked,
        help="Train the whole network too, with so many labels of each class, or all, in every fold or in so many; may "
        "be given again. Hours without a graphics card; resumable.",
    ),
]
