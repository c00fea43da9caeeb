"""Ways to fit a reader on a support set. The default is what measures best; the paper's SVM stays selectable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemosight.errors import TooFewLabels, UnknownName
from hemosight.space import lda, selftraining
from hemosight.space.embeddings import Vectors
from hemosight.space.linear_classifier import LinearClassifier
from hemosight.space.selftraining import Background

if TYPE_CHECKING:
    # At run time it is imported by the two fits that need it: reading with a fitted bundle should not wait for it.
    from sklearn.preprocessing import StandardScaler

DEFAULT = "discriminant"
SELF_TAUGHT = "self-taught"
"""The default that learns from a background of unlabelled cells as well (:mod:`hemosight.space.selftraining`)."""
STANDARDISED = "standardised"
"""The discriminant of standardised vectors: how a bundle reads what its encoder was not taught."""
SVM_FOLDS = 3


def fit_svm(vectors: Vectors, labels: NDArray[np.str_]) -> LinearClassifier:
    """The paper's classifier: standardised features, linear SVM one-vs-rest, calibrated by cross-validation."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    scaler = StandardScaler().fit(vectors)
    standard = scaler.transform(vectors)
    names, counts = np.unique(labels, return_counts=True)
    machine = LinearSVC(C=1.0, dual=len(vectors) < 2 * vectors.shape[1], max_iter=20_000, tol=1e-3, random_state=0)
    folds = min(SVM_FOLDS, int(counts.min()))
    beta = 1.0  # with one cell in some class there is nothing to calibrate on: margins stand as log-odds
    if folds >= 2:
        # One temperature for all classes: a Platt curve for each turns over when a class has few cells, and the
        # calibrated order is then no longer the machine's own.
        how: dict[str, Any] = {"method": "temperature", "cv": folds, "ensemble": False}
        calibrated: Any = CalibratedClassifierCV(machine, **how).fit(standard, labels)
        (member,) = calibrated.calibrated_classifiers_
        machine, beta = member.estimator, float(member.calibrators[0].beta_)
    else:
        machine.fit(standard, labels)
    weight, bias = np.atleast_2d(machine.coef_).T, np.atleast_1d(machine.intercept_)
    if len(names) == 2:  # one boundary; the first class is its other side
        weight, bias = np.hstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    return _unscaled(names, weight, bias, scaler, slope=beta)


def fit_logistic(vectors: Vectors, labels: NDArray[np.str_]) -> LinearClassifier:
    """Multinomial logistic regression on standardised features; calibrated by its own likelihood."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(vectors)
    model = LogisticRegression(C=1e-2, max_iter=1000).fit(scaler.transform(vectors), labels)
    weight, bias = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:
        weight, bias = np.hstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    return _unscaled(model.classes_, weight, bias, scaler, slope=1.0)


FITTERS: Mapping[str, Callable[[Vectors, NDArray[np.str_]], LinearClassifier]] = {
    "discriminant": lda.fit,
    STANDARDISED: lda.fit_standardised,
    "svm": fit_svm,
    "logistic": fit_logistic,
}
"""Every classifier by name: vectors (cells x dimensions) and labels (one a cell) -> a fitted reader."""


def fit(
    vectors: Vectors,
    labels: NDArray[np.str_],
    classifier: str = DEFAULT,
    *,
    background: Background | None = None,
) -> LinearClassifier:
    """Fit a classifier by name.

    With a ``background`` of unlabelled cells the default, also called ``self-taught`` then, learns from them too; the
    others learn from labels alone.

    Raises :class:`~hemosight.errors.TooFewLabels` with fewer than two classes and
    :class:`~hemosight.errors.UnknownName` for a classifier that is not one of :data:`FITTERS`.
    """
    taught = background is not None and classifier in (DEFAULT, SELF_TAUGHT)
    if classifier not in FITTERS and not taught:
        raise UnknownName(kind="classifier", choices=", ".join(FITTERS), name=classifier)
    names = sorted(set(labels.tolist()))
    if len(names) < 2:
        raise TooFewLabels(came=f"only {names[0]!r}" if names else "no labelled cell")
    if background is not None and taught:
        return selftraining.fit(vectors, labels, background)
    return FITTERS[classifier](vectors, labels)


def _unscaled(
    names: NDArray[np.str_],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    scaler: StandardScaler,
    slope: float,
) -> LinearClassifier:
    """Fold the standardisation into the affine map."""
    weight = weight / np.asarray(scaler.scale_, np.float64)[:, None]
    bias = bias - np.asarray(scaler.mean_, np.float64) @ weight
    return LinearClassifier(tuple(str(name) for name in names), weight, bias, slope)
