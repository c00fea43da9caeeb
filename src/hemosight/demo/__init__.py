"""The demonstration: cells the model has never been told about, read, judged where labels are known, and
shown: as a contact sheet, and at the review desk.
"""

from hemosight.demo.desk import open_desk
from hemosight.demo.material import DRAWN_BOUND, REAL_BOUND, Material, drawn, find, sample, unseen
from hemosight.demo.run import Outcome, classify, run_demo

__all__ = [
    "DRAWN_BOUND",
    "REAL_BOUND",
    "Material",
    "Outcome",
    "classify",
    "drawn",
    "find",
    "open_desk",
    "run_demo",
    "sample",
    "unseen",
]
