"""Shapes of scanner profiles."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hemosight.images.names import composed
from hemosight.service.schemas.labels import Number
from hemosight.service.schemas.people import Shape

Scale = Annotated[float, Field(ge=0.05, le=20, allow_inf_nan=False)]
ProfileName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(composed)
]
_EXAMPLE = {
    "id": 2,
    "name": "Night desk, camera 2",
    "scale": 1.28,
    "scale_from": "measured",
    "measured": {
        "red_cell_px": 60.2,
        "low": 58.9,
        "high": 61.4,
        "cells": 212,
        "crops": 40,
        "reason": None,
        "factor": 1.28,
        "used": 1.28,
    },
    "oldest": False,
    "created_at": "2026-03-02T09:00:00Z",
    "cases": 3,
    "cells": 412,
    "labelled": 61,
    "novelty": 1.21,
    "likeness": 0.96,
    "calibration": {"on": "labels", "temperature": 1.6},
    "finder": {"fields": 40, "checked": 12, "cells": 120, "missed": 2, "false_cells": 3, "least": 0.5},
}


class ScaleMeasured(BaseModel):
    """The width of red cells in some pictures, and the scale that follows."""

    model_config = ConfigDict(extra="ignore")
    red_cell_px: float | None = Field(description="Typical width in the pictures' pixels; null where it is unknown.")
    low: float | None = Field(description="95 % interval of the width.")
    high: float | None
    cells: int = Field(description="Red cells of that width that were seen.")
    crops: int = Field(description="Pictures that were looked at.")
    reason: str | None = Field(description="Why it cannot be told.")
    factor: float | None = Field(
        description="What brings the pictures to the reference scale, where a red cell is 77 px."
    )
    used: float = Field(description="The factor worth using: 1 where it is near that, or unknown.")


class FinderShown(BaseModel):
    """What the search for white cells did in the fields of a scanner, as far as people looked at them as a whole."""

    model_config = ConfigDict(from_attributes=True)
    fields: int = Field(description="Fields that are kept.")
    checked: int = Field(description="Of these, fields that somebody looked at as a whole; what follows is of those.")
    cells: int = Field(description="White cells in them.")
    missed: int = Field(description="Of these, cells that the search missed and people added.")
    false_cells: int = Field(description="What the search took for a white cell and people removed.")
    least: float = Field(0.5, description="Score from which the search takes something for a white cell.")


class FinderFitted(BaseModel):
    """What the fields of a scanner that people looked at as a whole say of the score to search it with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "fields": 40,
                    "before": 0.5,
                    "least": 0.3,
                    "missed_before": 14,
                    "false_before": 2,
                    "missed": 3,
                    "false_cells": 4,
                    "mended": 11,
                    "spoilt": 2,
                    "chance": 0.011,
                }
            ]
        }
    )
    fields: int = Field(description="Fields that were looked at as a whole; what follows is of those.")
    before: float = Field(description="The score so far.")
    least: float = Field(
        description="The score from now on, for cases that begin; the same unless better beyond chance."
    )
    missed_before: int = Field(description="White cells that the score so far misses.")
    false_before: int = Field(description="What it takes for a white cell that is none.")
    missed: int = Field(description="The same of scores that were each chosen without the field they are judged on.")
    false_cells: int
    mended: int = Field(description="What those judge right and the score so far wrong.")
    spoilt: int = Field(description="The other way round.")
    chance: float = Field(description="How often so much would be mended by chance (McNemar's exact test, one-sided).")


class ProfileCalibration(BaseModel):
    """What says how sure the readings of a scanner's cells may be."""

    on: Literal["bundle", "labels"] = Field(
        description="`labels`: the scanner's own, each read by a classifier that learnt all others. `bundle`: held-out "
        "cells of the scanners that the bundle knows; unfamiliar cells are lowered."
    )
    temperature: float = Field(
        description="By how much more scores are divided than the bundle divides them; above 1 lowers probabilities."
    )


class ProfileShown(BaseModel):
    """A scanner and its stain: scale, what its cells look like, and how much people have said of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    id: int
    name: str
    scale: float = Field(description="Factor that brings its crops' pixels to the reference scale (0.1 um/px).")
    scale_from: Literal["default", "measured", "person"] = Field(description="Who set it.")
    measured: ScaleMeasured | None = Field(description="The newest measurement on its red cells; null before one.")
    oldest: bool = Field(description="Whether cells are of it for which nobody chose a profile.")
    created_at: datetime.datetime
    cases: int
    cells: int = Field(description="Cells with a reading.")
    labelled: int = Field(description="Of these, cells with a person's label: what its classifier has learnt.")
    novelty: float | None = Field(description="Median novelty of its cells against the bundle; above 1 is unusual.")
    likeness: float | None = Field(
        description="Share of the asked case's cells that look like this profile's other cells; null where either has "
        "too few, and without a case."
    )
    calibration: ProfileCalibration | None = Field(
        None, description="Of its cell types as they are read now; null where nothing reads them."
    )
    finder: FinderShown | None = Field(None, description="Null of a scanner without fields.")


class Profiles(BaseModel):
    """The profiles of a project, the oldest first."""

    items: list[ProfileShown]
    of_case: int | None = Field(description="The profile of the asked case.")
    chosen: bool = Field(description="Whether a person chose it.")
    proposed: int | None = Field(
        description="A profile that the case looks more like, while nobody has chosen its profile."
    )
    next: None = None


class NewProfile(Shape):
    """A scanner profile to begin."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Night desk, camera 2", "case": 7}]}
    )
    name: ProfileName
    scale: Scale | None = None
    case: Number | None = Field(None, description="A case that is of it.")


class ProfileChange(Shape):
    """What may be changed of a profile; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"scale": 1.28}]})
    name: ProfileName | None = None
    scale: Scale | None = Field(None, description="Another scale has the cells of its unsigned cases read again.")
    scale_from: Literal["measured", "person"] = Field("person", description="Where the scale comes from.")


class ProfileMerge(Shape):
    """The profile that goes on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"into": 1}]})
    into: Number


class ProfileMeasure(Shape):
    """Which pictures to measure."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"case": 7}]})
    case: Number | None = Field(None, description="Those of one case; all of the profile where null.")


class ProfileChoice(Shape):
    """The profile of a case."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"profile": 2}]})
    profile: Number
