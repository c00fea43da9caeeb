"""The demonstration: cells whose labels the model does not know, read, judged where labels are known, and
shown: as a contact sheet, and at the review desk.
"""

from hemosight.demo.cells import DRAWN_BOUND, REAL_BOUND, DemoCells, drawn, find, sample, unseen
from hemosight.demo.desk import open_desk
from hemosight.demo.run import DemoResult, run_demo

__all__ = [
    "DRAWN_BOUND",
    "REAL_BOUND",
    "DemoCells",
    "DemoResult",
    "drawn",
    "find",
    "open_desk",
    "run_demo",
    "sample",
    "unseen",
]
