"""The contact sheet: readings as one HTML file, with the differential and the marks of the types."""

from hemosight.sheet.page import Cell, Group, agreement, from_paths, grouped, write_sheet
from hemosight.sheet.provenance import Provenance

__all__ = ["Cell", "Group", "Provenance", "agreement", "from_paths", "grouped", "write_sheet"]
