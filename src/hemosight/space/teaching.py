"""Corrections that teach: reference labels plus a project's own, refitted from sums at every label.

The discriminant needs nothing but sums over cells, so that a label adds its cell to them and a change of mind
subtracts it again. A refit is then one Cholesky factorisation, however many cells the reference has, and what comes
out equals a fit on all cells from scratch with the same shrinkage.

What stays as the reference has it: the amount of shrinkage and the temperature of the calibration. Both describe the
landscape and not one project, and re-estimating the temperature on corrections would bias it: people correct what was
read wrongly, so that corrected cells are harder than the rest. A label set without a reference has only its own
cells: there both are estimated from them, the temperature on each cell as read by a reader that never saw it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from hemosight.space import discriminant
from hemosight.space.discriminant import Statistics
from hemosight.space.embeddings import Vectors
from hemosight.space.labels import SupportSet
from hemosight.space.readers import Reader

WEIGHT = 20.0
"""How many reference cells one correction counts for, unless a project says otherwise."""
_BLOCK = 1024

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Reference:
    """What labelled reference cells teach: summed once, then shared by all projects.

    Parameters
    ----------
    reader
        Reads as long as nobody has corrected anything; gives the calibration afterwards.
    statistics
        Sums over the reference cells, classes in the reader's order.
    amount
        Shrinkage of the reference.
    slope
        Inverse temperature of what is taught from here.
    """

    reader: Reader
    statistics: Statistics
    amount: float
    slope: float

    @classmethod
    def of(cls, support: SupportSet, label_set: str, reader: Reader, slope: float | None = None) -> Reference:
        """Sum a support set over one label set, which ``reader`` reads.

        ``slope`` is the inverse temperature of discriminants taught from here; the reader's own where None, which is
        right as long as the reader is a discriminant.
        """
        vectors, labels = support.labelled(label_set)
        column = {name: code for code, name in enumerate(reader.classes)}
        codes = np.array([column[str(label)] for label in labels], np.int64)
        origin = vectors.mean(axis=0, dtype=np.float64)
        statistics = Statistics.of(vectors, codes, len(reader.classes), origin)
        amount = discriminant.estimate(statistics, vectors, codes, np.ones(len(codes)))
        return cls(reader, statistics, amount, reader.slope if slope is None else slope)

    def over(self, classes: Sequence[str]) -> Reference:
        """The same with other columns: classes in this order, new ones without a cell.

        Raises ``ValueError`` where a class of the reference is missing.
        """
        if tuple(classes) == self.reader.classes:
            return self
        column = [list(classes).index(name) for name in self.reader.classes]
        counts, sums = np.zeros(len(classes)), np.zeros((len(classes), self.dimensions))
        counts[column], sums[column] = self.statistics.counts, self.statistics.sums
        return replace(
            self, reader=self.reader.over(classes), statistics=replace(self.statistics, counts=counts, sums=sums)
        )

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.reader.weight.shape[0]


@dataclass(frozen=True)
class LeftOut:
    """Every taught cell as a reader reads it that learnt from all the others.

    Parameters
    ----------
    cells
        Their numbers; cells that are the only one of their class cannot take part.
    truth
        What they were labelled, as columns of the scores.
    scores
        Uncalibrated, cells x classes.
    """

    cells: Codes
    truth: Codes
    scores: NDArray[np.float64]

    @property
    def read(self) -> Codes:
        """What they were read as, as columns of the scores."""
        return self.scores.argmax(axis=1) if len(self.scores) else np.zeros(0, np.int64)


class Lessons:
    """What a project's labels teach in one label set.

    Parameters
    ----------
    classes
        Names in the order of the reader's columns.
    vectors_of
        Cell numbers -> their vectors, cells x dimensions. A cell's vector never changes.
    dimensions
        Length of a vector.
    reference
        Labelled cells to start from; None for a label set that a project invented.
    """

    def __init__(
        self,
        classes: Sequence[str],
        vectors_of: Callable[[Codes], Vectors],
        dimensions: int,
        reference: Reference | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.reference = reference.over(self.classes) if reference is not None else None
        self._vectors_of = vectors_of
        self._taught: dict[int, int] = {}
        origin = np.zeros(dimensions) if reference is None else reference.statistics.origin
        self._sums = Statistics(
            np.zeros(len(self.classes)), np.zeros((len(self.classes), dimensions)), np.zeros((dimensions,) * 2), origin
        )

    def __len__(self) -> int:
        return len(self._taught)

    def teach(self, cells: Sequence[int] | Codes, codes: Sequence[int] | Codes) -> None:
        """Say what each of these cells is, as a column number; -1 for a cell that teaches nothing any more.

        What a cell taught before is taken back. Of a cell that comes twice the last counts.
        """
        wanted = {int(cell): int(code) for cell, code in zip(cells, codes, strict=True)}
        changed = {cell: code for cell, code in wanted.items() if self._taught.get(cell, -1) != code}
        back = {cell: self._taught[cell] for cell in changed if cell in self._taught}
        new = {cell: code for cell, code in changed.items() if code >= 0}
        for part, sign in ((back, -1.0), (new, 1.0)):
            rows = np.fromiter(part, np.int64, len(part))
            for start in range(0, len(rows), _BLOCK):
                self._add(rows[start : start + _BLOCK], part, sign)
        for cell in back:
            del self._taught[cell]
        self._taught |= new

    def _add(self, cells: Codes, codes: dict[int, int], sign: float) -> None:
        """Add cells to the sums in place: the matrix of products is too large to be copied at every label."""
        shifted = self._vectors_of(cells).astype(np.float64) - self._sums.origin
        columns = np.array([codes[int(cell)] for cell in cells], np.int64)
        np.add.at(self._sums.counts, columns, sign)
        np.add.at(self._sums.sums, columns, sign * shifted)
        self._sums.products[...] += sign * (shifted.T @ shifted)

    def reader(self, weight: float = WEIGHT) -> Reader | None:
        """A reader that has learnt the reference and every lesson; None where fewer than two classes have a cell.

        ``weight`` is how many reference cells one lesson counts for; where there is no reference it changes nothing.
        Without a lesson it is the reference's own reader, to the last bit.
        """
        if self.reference is not None and (not self._taught or weight <= 0):
            return self.reference.reader
        total, amount, _ = self._total(weight)
        if total.present.sum() < 2:
            return None
        slopes, bias = discriminant.solve(total, amount)
        if self.reference is not None:
            slope = self.reference.slope
        else:
            left = self.left_out(weight)
            expected = discriminant.overconfidence(len(slopes), len(self))
            slope = 1.0 / discriminant.calibrate(left.scores, left.truth, expected)
        return Reader(self.classes, slopes, bias, slope)

    def left_out(self, weight: float = WEIGHT, most: int = 2000) -> LeftOut:
        """Read every taught cell without what it taught itself; at most ``most`` of them, evenly chosen.

        Nothing is fitted anew: taking one cell out changes the shrunk covariance by a matrix of rank one, whose
        inverse follows by Sherman and Morrison's formula. (The identity's share of the shrinkage keeps its size,
        which differs from a refit by the share of one cell in the trace.)
        """
        total, amount, each = self._total(weight)
        known = np.array(sorted(self._taught), np.int64)
        truth = np.array([self._taught[int(cell)] for cell in known], np.int64)
        known, truth = known[keep := total.counts[truth] > each * (1 + 1e-9)], truth[keep]
        if len(known) > most:
            chosen = np.linspace(0, len(known) - 1, most).astype(np.int64)
            known, truth = known[chosen], truth[chosen]
        if not len(known) or total.present.sum() < 2:
            return LeftOut(known[:0], truth[:0], np.zeros((0, len(self.classes))))
        points = self._vectors_of(known).astype(np.float64) - total.origin
        return LeftOut(known, truth, _without(total, amount, each, points, truth))

    def _total(self, weight: float) -> tuple[Statistics, float, float]:
        """Sums of all cells, the shrinkage, and the weight of one lesson in them."""
        if self.reference is not None:
            return self.reference.statistics + self._sums * weight, self.reference.amount, weight
        cells = np.fromiter(self._taught, np.int64, len(self._taught))
        codes = np.fromiter(self._taught.values(), np.int64, len(self._taught))
        amount = (
            discriminant.estimate(self._sums, self._vectors_of(cells), codes, np.ones(len(cells)))
            if len(cells)
            else 1.0
        )
        return self._sums, amount, 1.0


def _without(
    total: Statistics, amount: float, each: float, points: NDArray[np.float64], truth: Codes
) -> NDArray[np.float64]:
    """Scores of cells by readers that each know all but that cell; ``points`` are measured from the origin."""
    means, rows = total.means(), np.arange(len(points))
    factor = cho_factor(discriminant.shrunk(total, amount), lower=True, overwrite_a=True, check_finite=False)
    mass, own = total.counts.sum(), total.counts[truth]
    apart = points - means[truth]
    solved = cho_solve(factor, apart.T).T  # u = A^-1 r for each cell
    solved_means = cho_solve(factor, means.T)  # dimensions x classes
    length = np.einsum("ij,ij->i", apart, solved)  # r.u
    lost = (1.0 - amount) * each * own / ((own - each) * mass)
    gain = lost / np.maximum(1.0 - lost * length, 1e-12)
    shift = each / (own - each)  # the class's mean moves away by so many r
    # Of the class means: against the cell, against u, and against themselves.
    against = points @ solved_means
    toward = solved @ means.T
    selves = np.tile(np.einsum("ij,ji->i", means, solved_means), (len(points), 1))
    reach = np.einsum("ij,ij->i", solved, points)
    selves[rows, truth] += -2.0 * shift * toward[rows, truth] + shift**2 * length
    # r.A^-1 x, as A^-1 x = u + A^-1 m
    against[rows, truth] -= shift * (length + np.einsum("ij,ij->i", apart, solved_means.T[truth]))
    toward[rows, truth] -= shift * length
    scores = against + gain[:, None] * toward * reach[:, None] - 0.5 * (selves + gain[:, None] * toward**2)
    scores *= (mass - each) / mass
    return np.where(total.present, scores, -np.inf)
