"""Classes as fine as labels allow, and a loss for cells whose label is coarser than the classes.

One laboratory stages its immature granulocytes, another does not. Where the finer types are learnt, what tells a
promyelocyte from a blast is learnt with them; a cell labelled no finer than ``ig`` asks only that one of its type's
classes be meant: their probabilities are summed (partial labels: Cour et al. 2011, J. Mach. Learn. Res. 12).

A finer type that one laboratory alone writes, and writes for all of its cells of that type, is no class: to tell it
from the others' cells a network would learn the scanner (Munich's ``myeloblast`` against others' ``blast``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST_CELLS = 15
"""Of a finer type in one laboratory, so that it is a class."""


def finest_classes(
    types: Sequence[str], finest: Sequence[str | None], laboratories: Sequence[str], least: int = LEAST_CELLS
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Classes to be told apart, and which of them each cell may be.

    Of a type, the finer names are classes that some laboratory writes for at least ``least`` cells beside another name
    that it writes for as many. The type's own name counts as one of them where a laboratory writes it more often than
    all finer ones together: there it means what is left (a lymphocyte that is neither variant nor a plasma cell).

    Parameters
    ----------
    types
        The type of every cell, ``[n]``.
    finest
        Its finest known name, ``[n]``; None, or a name that is no class, means that it is not known.
    laboratories
        Whose each is, ``[n]``.

    Returns
    -------
    classes
        Names, sorted.
    allowed
        ``[n, classes]``: one class where the finest name is a class, all classes of its type elsewhere.
    """
    names = [fine or kind for kind, fine in zip(types, finest, strict=True)]
    counts = Counter(zip(laboratories, types, names, strict=True))
    parts: dict[str, set[str]] = {kind: set() for kind in types}
    for where, kind in {(where, kind) for where, kind, _ in counts}:
        finer = {name: n for (place, above, name), n in counts.items() if (place, above) == (where, kind)}
        plain = finer.pop(kind, 0)
        written = {name for name, n in finer.items() if n >= least}
        if plain >= least and plain > sum(finer.values()):
            written.add(kind)
        if len(written) > 1:
            parts[kind] |= written
    owner = {name: kind for kind, its in parts.items() for name in its or {kind}}
    classes = tuple(sorted(owner))
    column = {name: i for i, name in enumerate(classes)}
    allowed = np.array([[owner[name] == kind for name in classes] for kind in types], bool)
    for row, (kind, name) in enumerate(zip(types, names, strict=True)):
        if owner.get(name) == kind:
            allowed[row] = False
            allowed[row, column[name]] = True
    return classes, allowed


def partial_cross_entropy(logits: Tensor, allowed: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean of minus the logarithm of the probability that the class is one of those allowed.

    With one allowed class each this is torch's ``cross_entropy``, label smoothing included (Szegedy et al. 2016).

    Parameters
    ----------
    logits
        ``[n, classes]``.
    allowed
        ``[n, classes]``, bool; at least one class a row.
    smoothing
        Weight of the evenly spread target, 0 to 1.
    """
    log_probabilities = logits.log_softmax(dim=1)
    meant = torch.logsumexp(log_probabilities.masked_fill(~allowed, -torch.inf), dim=1)
    return -((1 - smoothing) * meant + smoothing * log_probabilities.mean(dim=1)).mean()
