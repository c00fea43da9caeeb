"""Which scanner profile the cells of a project are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CaseProfiles:
    """Which scanner profile cells are of.

    Parameters
    ----------
    known
        Numbers of the project's profiles, the oldest first.
    chosen
        Case -> the profile that somebody chose for it; None where nobody did.
    """

    known: tuple[int, ...] = (0,)
    chosen: Mapping[int, int | None] = field(default_factory=dict)

    def of_case(self, case: int) -> int:
        """The profile of a case; cases of which nobody chose one, and cells of no case, are of the oldest."""
        return self.chosen.get(case) or self.known[0]

    def of(self, cases: NDArray[np.int64]) -> NDArray[np.int64]:
        """The profile of each cell, by the case it is of (-1 for none)."""
        numbers, at = np.unique(cases, return_inverse=True)
        return np.array([self.of_case(case) for case in numbers.tolist()], np.int64)[at.reshape(-1)]
