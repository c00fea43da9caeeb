"""Support sets of bundles as sums, computed once in a process and shared by its projects."""

from __future__ import annotations

import threading
from collections import OrderedDict

from hemosight.engine.bundle import Bundle
from hemosight.space import classifiers
from hemosight.space.incremental_lda import Reference

_KEPT = 24
"""References held at once: each is one matrix of dimensions x dimensions (13 MB at 1,280)."""


class References:
    """References by bundle and label set, made at first need; safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[str, str], Reference] = OrderedDict()

    def get(self, bundle: Bundle, label_set: str) -> Reference | None:
        """The reference of a label set; None where the bundle has no such label set."""
        if label_set not in bundle.classifiers:
            return None
        key = (f"{bundle.space} {bundle.manifest.files.get('support.parquet', id(bundle))}", label_set)
        with self._lock:  # held while summing: two projects that ask at once would sum twice
            if key not in self._made:
                self._made[key] = _sum(bundle, label_set)
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]


def _sum(bundle: Bundle, label_set: str) -> Reference:
    slope, name = None, bundle.manifest.label_sets[label_set].classifier
    standardised = name == classifiers.STANDARDISED
    if not standardised and name != classifiers.DEFAULT:
        # Another classifier's temperature says nothing about the discriminant, which is what learns.
        slope = classifiers.fit(*bundle.support.labelled(label_set)).slope
    return Reference.of(bundle.support, label_set, bundle.classifiers[label_set], slope, standardised=standardised)
