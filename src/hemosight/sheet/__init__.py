"""The contact sheet: readings as one HTML file, with the differential and the marks of the types."""

from hemosight.sheet.facts import Facts
from hemosight.sheet.page import Cell, Group, agreement, from_paths, grouped, write_sheet

__all__ = ["Cell", "Facts", "Group", "agreement", "from_paths", "grouped", "write_sheet"]
