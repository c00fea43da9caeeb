"""Linear discriminant analysis of labelled cells that come, change and go: refitted from sums at every label.

The discriminant needs nothing but sums over cells (:class:`hemosight.space.lda.LDAStatistics`), so that a label adds
its cell to them and a changed label subtracts it again. A refit is then one Cholesky factorisation, however many cells
came before, and the result equals a fit on all cells from scratch with the same shrinkage.

A cell may also be taught by shares of classes, as a panel leaves them that does not agree: it then counts for each
class by its share.

Where the labels correct a reference (the support set of a bundle), two things stay as the reference has them: the
amount of shrinkage and the temperature of the calibration. Both describe the embedding space and not one project, and
estimating the temperature again on corrections would bias it: people correct what was read wrongly, so that corrected
cells are harder than the rest. Without a reference both are estimated from the labelled cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemosight.space import lda
from hemosight.space.embeddings import Vectors
from hemosight.space.labels import SupportSet
from hemosight.space.lda import LDAStatistics
from hemosight.space.leave_one_out import LeftOut, scores_left_out
from hemosight.space.linear_classifier import LinearClassifier

WEIGHT = 20.0
"""How many reference cells one correction counts for, unless a project says otherwise."""
GROWTH = 1.5
"""Factor by which labels grow before a study seeks the temperature anew; it falls smoothly with their number."""
_BLOCK = 1024

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Reference:
    """A support set as sums: computed once, then shared by all projects.

    Parameters
    ----------
    classifier
        Reads as long as nobody has corrected anything; gives the calibration afterwards.
    statistics
        Sums over the reference cells, classes in the classifier's order.
    amount
        Shrinkage of the reference, 0 to 1.
    slope
        Inverse temperature of classifiers fitted from here on.
    deviations
        Of each dimension, where the discriminant is one of standardised vectors (:func:`hemosight.space.lda.shrunk`).
    """

    classifier: LinearClassifier
    statistics: LDAStatistics
    amount: float
    slope: float
    deviations: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        support: SupportSet,
        label_set: str,
        classifier: LinearClassifier,
        slope: float | None = None,
        *,
        standardised: bool = False,
    ) -> Reference:
        """Sum a support set over one label set, which ``classifier`` reads.

        ``slope`` is the inverse temperature of discriminants fitted from here; the classifier's own where None, which
        is right as long as the classifier is a discriminant; ``standardised`` where it is one of standardised vectors.
        """
        vectors, labels = support.labelled(label_set)
        column = {name: code for code, name in enumerate(classifier.classes)}
        codes = np.array([column[str(label)] for label in labels], np.int64)
        origin = vectors.mean(axis=0, dtype=np.float64)
        statistics = LDAStatistics.of(vectors, codes, len(classifier.classes), origin)
        slope, weights = classifier.slope if slope is None else slope, np.ones(len(codes))
        if not standardised:
            return cls(classifier, statistics, lda.estimate(statistics, vectors, codes, weights), slope)
        deviations = lda.deviations_of(vectors)
        divided = (vectors / deviations).astype(np.float32)
        sums = LDAStatistics.of(divided, codes, len(classifier.classes), origin / deviations)
        return cls(classifier, statistics, lda.estimate(sums, divided, codes, weights), slope, deviations)

    def over(self, classes: Sequence[str]) -> Reference:
        """The same with other columns: classes in this order, new ones without a cell.

        Raises ``ValueError`` where a class of the reference is missing.
        """
        if tuple(classes) == self.classifier.classes:
            return self
        column = [list(classes).index(name) for name in self.classifier.classes]
        counts, sums = np.zeros(len(classes)), np.zeros((len(classes), self.dimensions))
        counts[column], sums[column] = self.statistics.counts, self.statistics.sums
        statistics = replace(self.statistics, counts=counts, sums=sums)
        return replace(self, classifier=self.classifier.over(classes), statistics=statistics)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.classifier.weight.shape[0]


class IncrementalLDA:
    """A discriminant of labelled cells that come, change and go.

    Parameters
    ----------
    classes
        Names in the order of the classifier's columns; one without a cell is never read.
    vectors_of
        Cell numbers -> their vectors, cells x dimensions. A cell's vector never changes.
    dimensions
        Length of a vector.
    reference
        A support set to start from; None for a label set that a project invented, and in studies.
    origin
        The point that sums are measured from where there is no reference (zero where None); near the cells' mean the
        sums are the most accurate.
    growth
        How a classifier without a reference is calibrated. None: on each cell as read by a classifier fitted on all the
        others (:meth:`leave_one_out`), at every fit. A number: by the folds of :func:`hemosight.space.lda.fit`, whose
        result it then equals; anew whenever labels have grown by this factor (1: at every fit), as it costs a
        factorisation a fold. The temperature changes how sure a reading is and never what it says.
    """

    def __init__(
        self,
        classes: Sequence[str],
        vectors_of: Callable[[Codes], Vectors],
        dimensions: int,
        reference: Reference | None = None,
        *,
        origin: NDArray[np.float64] | None = None,
        growth: float | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.reference = reference.over(self.classes) if reference is not None else None
        self.growth = growth
        self._vectors_of = vectors_of
        self._code_of: dict[int, int] = {}
        self._soft_labels: dict[int, NDArray[np.float64]] = {}
        if reference is not None:
            origin = reference.statistics.origin
        elif origin is None:
            origin = np.zeros(dimensions)
        self._sums = LDAStatistics(
            np.zeros(len(self.classes)), np.zeros((len(self.classes), dimensions)), np.zeros((dimensions,) * 2), origin
        )
        self._temperature = 0.0
        self._calibrated_at = 0

    def __len__(self) -> int:
        """Labelled cells, those of the reference not counted."""
        return len(self._code_of)

    @property
    def size(self) -> int:
        """Bytes of its own sums; a reference is shared, and not counted."""
        return self._sums.products.nbytes + self._sums.sums.nbytes

    def update(self, cells: Sequence[int] | Codes, codes: Sequence[int] | Codes) -> None:
        """Label cells with column numbers; -1 withdraws a cell's label.

        A label that a cell had before is replaced. Of a cell that comes twice the last label counts.
        """
        wanted = {int(cell): int(code) for cell, code in zip(cells, codes, strict=True)}
        changed = {cell: code for cell, code in wanted.items() if self._code_of.get(cell, -1) != code}
        withdrawn = {cell: self._code_of[cell] for cell in changed if cell in self._code_of}
        added = {cell: code for cell, code in changed.items() if code >= 0}
        for part, sign in ((withdrawn, -1.0), (added, 1.0)):
            rows = np.fromiter(part, np.int64, len(part))
            for start in range(0, len(rows), _BLOCK):
                self._add(rows[start : start + _BLOCK], part, sign)
        # A label stands in the place of a cell's shares, which come back when it is withdrawn.
        self._add_soft_labels([cell for cell in added if cell not in withdrawn and cell in self._soft_labels], -1.0)
        self._add_soft_labels([cell for cell in withdrawn if cell not in added and cell in self._soft_labels], 1.0)
        for cell in withdrawn:
            del self._code_of[cell]
        self._code_of |= added

    def set_soft_labels(self, shares: Mapping[int, NDArray[np.float64]]) -> bool:
        """Teach cells by shares of classes instead of a label: what a panel's consensus holds probable of each.

        ``shares`` are all that there are from now on, cell -> one number a class, none negative, their sum at most 1:
        a cell counts for each class by its share. One that has a label is taught by that. Says whether anything
        changed.
        """
        known, own = self._soft_labels, {int(cell): np.asarray(row, np.float64) for cell, row in shares.items()}
        gone = [cell for cell in known if cell not in own or not np.array_equal(known[cell], own[cell])]
        new = [cell for cell in own if cell not in known or not np.array_equal(known[cell], own[cell])]
        self._add_soft_labels([cell for cell in gone if cell not in self._code_of], -1.0)
        self._soft_labels = own
        self._add_soft_labels([cell for cell in new if cell not in self._code_of], 1.0)
        return bool(gone or new)

    def _add_soft_labels(self, cells: Sequence[int], sign: float) -> None:
        for start in range(0, len(cells), _BLOCK):
            part = np.array(cells[start : start + _BLOCK], np.int64)
            shifted = self._vectors_of(part).astype(np.float64) - self._sums.origin
            shares = np.stack([self._soft_labels[int(cell)] for cell in part])
            self._sums.counts[...] += sign * shares.sum(axis=0)
            self._sums.sums[...] += sign * (shares.T @ shifted)
            self._sums.products[...] += sign * ((shifted * shares.sum(axis=1)[:, None]).T @ shifted)

    def _add(self, cells: Codes, code_of: dict[int, int], sign: float) -> None:
        """Add cells to the sums in place: the matrix of products is too large to be copied at every label."""
        shifted = self._vectors_of(cells).astype(np.float64) - self._sums.origin
        columns = np.array([code_of[int(cell)] for cell in cells], np.int64)
        np.add.at(self._sums.counts, columns, sign)
        np.add.at(self._sums.sums, columns, sign * shifted)
        self._sums.products[...] += sign * (shifted.T @ shifted)

    def classifier(self, weight: float = WEIGHT) -> LinearClassifier | None:
        """Fitted on the reference and every labelled cell; None where fewer than two classes have a cell.

        ``weight`` is how many reference cells one label counts for; where there is no reference it changes nothing.
        Without a label it is the reference's own classifier, to the last bit.
        """
        if self.reference is not None and (not (self._code_of or self._soft_labels) or weight <= 0):
            return self.reference.classifier
        total, amount, _ = self.statistics(weight)
        if total.present.sum() < 2:
            return None
        slopes, bias = lda.solve(total, amount, deviations=self._deviations)
        return LinearClassifier(self.classes, slopes, bias, self._slope(total, amount))

    def classifier_without(self, cells: Sequence[int], weight: float = WEIGHT) -> LinearClassifier | None:
        """As :meth:`classifier`, as if these cells had no label; the labels stay."""
        codes = {int(cell): self._code_of[int(cell)] for cell in cells if int(cell) in self._code_of}
        self.update(list(codes), [-1] * len(codes))
        try:
            return self.classifier(weight)
        finally:
            self.update(list(codes), list(codes.values()))

    def leave_one_out(self, weight: float = WEIGHT, most: int = 2000) -> LeftOut:
        """Read every labelled cell without its own label; at most ``most`` of them, evenly chosen.

        Nothing is fitted anew: see :func:`hemosight.space.leave_one_out.scores_left_out`.
        """
        total, amount, each = self.statistics(weight)
        cells = np.array(sorted(self._code_of), np.int64)
        truth = np.array([self._code_of[int(cell)] for cell in cells], np.int64)
        cells, truth = cells[keep := total.counts[truth] > each * (1 + 1e-9)], truth[keep]
        if len(cells) > most:
            chosen = np.linspace(0, len(cells) - 1, most).astype(np.int64)
            cells, truth = cells[chosen], truth[chosen]
        if not len(cells) or total.present.sum() < 2:
            return LeftOut(cells[:0], truth[:0], np.zeros((0, len(self.classes))))
        points = self._vectors_of(cells).astype(np.float64) - total.origin
        covariance = lda.shrunk(total, amount, deviations=self._deviations)
        return LeftOut(cells, truth, scores_left_out(total, amount, each, points, truth, covariance))

    @property
    def _deviations(self) -> NDArray[np.float64] | None:
        return None if self.reference is None else self.reference.deviations

    def statistics(self, weight: float = WEIGHT) -> tuple[LDAStatistics, float, float]:
        """Sums of all cells, the amount of shrinkage (0 to 1), and the weight of one labelled cell in the sums."""
        if self.reference is not None:
            return self.reference.statistics + self._sums * weight, self.reference.amount, weight
        vectors, codes, weights = self._taught()
        amount = lda.estimate(self._sums, vectors, codes, weights) if len(codes) else 1.0
        return self._sums, amount, 1.0

    def _taught(self) -> tuple[Vectors, Codes, NDArray[np.float64]]:
        """Vectors, columns and weights of all that was taught: labelled cells, then each share of the others."""
        vectors, codes = self._labelled()
        only = {cell: row for cell, row in self._soft_labels.items() if cell not in self._code_of}
        soft = [(cell, column) for cell, row in only.items() for column in _any(row)]
        if not soft:
            return vectors, codes, np.ones(len(codes))
        more = self._vectors_of(np.array([cell for cell, _ in soft], np.int64))
        weights = np.array([self._soft_labels[cell][column] for cell, column in soft])
        columns = np.array([column for _, column in soft], np.int64)
        return (
            np.concatenate([vectors.reshape(-1, more.shape[1]), more]),
            np.concatenate([codes, columns]),
            np.concatenate([np.ones(len(codes)), weights]),
        )

    def _labelled(self) -> tuple[Vectors, Codes]:
        """Vectors and columns of the labelled cells, in the order in which they were labelled."""
        cells = np.fromiter(self._code_of, np.int64, len(self._code_of))
        return self._vectors_of(cells), np.fromiter(self._code_of.values(), np.int64, len(cells))

    def _slope(self, total: LDAStatistics, amount: float) -> float:
        """The inverse temperature of a classifier fitted on these sums."""
        if self.reference is not None:
            return self.reference.slope
        if self.growth is None:
            left = self.leave_one_out()
            expected = lda.overconfidence(len(total.origin), float(total.counts.sum()))
            return 1.0 / lda.calibrate(left.scores, left.truth, expected)
        if len(self) >= self.growth * self._calibrated_at:
            vectors, codes = self._labelled()
            fold = lda.calibration_folds(codes)
            parts = [
                LDAStatistics.of(vectors[fold == k], codes[fold == k], len(self.classes), total.origin)
                for k in range(lda.FOLDS)
            ]
            self._temperature = lda.temperature_of(parts, total, amount, vectors, codes, fold)
            self._calibrated_at = len(self)
        return 1.0 / self._temperature


def _any(shares: NDArray[np.float64]) -> list[int]:
    """Columns that have a share."""
    return np.flatnonzero(shares > 0).tolist()
