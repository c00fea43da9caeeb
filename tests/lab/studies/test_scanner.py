"""The control for scanner shortcuts."""

from __future__ import annotations

from hemosight.lab.studies.scanner import scanner_control


def test_the_scanner_control_counts_the_other_cells_of_that_scanner() -> None:
    truth = ["neutrophil"] * 6 + ["blast"] * 3 + ["neutrophil"] * 4
    read = ["neutrophil"] * 6 + ["blast"] * 3 + ["blast", "blast", "neutrophil", "neutrophil"]
    sources = ["barcelona"] * 6 + ["munich"] * 7
    assert scanner_control(truth, read, ["barcelona"] * 8 + sources[8:]) == {}, "both scanners show blasts"
    control = scanner_control(truth + ["neutrophil"] * 4, read + ["neutrophil"] * 4, sources + ["barcelona"] * 4)
    assert control == {"blast": {"source": "munich", "other_cells": 4, "read_as_it": 2}}
