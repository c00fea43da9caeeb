"""White cells in fields of view and slides: found by the stain of their nuclei, cut out at the reference scale."""

from hemosight.images.finding.cells import MARKS, FoundCell, find
from hemosight.images.finding.fields import Scale, Searched, scales, search

__all__ = ["MARKS", "FoundCell", "Scale", "Searched", "find", "scales", "search"]
