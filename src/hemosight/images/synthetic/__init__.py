"""Drawn peripheral blood smears: crops with known labels and attributes, made from nothing but a seed."""

from hemosight.images.synthetic.attributes import ATTRIBUTES, CELL_TYPES, TYPICAL, choose_attributes
from hemosight.images.synthetic.slide import SHARES, draw_slide
from hemosight.images.synthetic.smear import DrawnCell, draw_cell, draw_smear
from hemosight.images.synthetic.stain import Scanner, Stain

__all__ = [
    "ATTRIBUTES",
    "CELL_TYPES",
    "SHARES",
    "TYPICAL",
    "DrawnCell",
    "Scanner",
    "Stain",
    "choose_attributes",
    "draw_cell",
    "draw_slide",
    "draw_smear",
]
