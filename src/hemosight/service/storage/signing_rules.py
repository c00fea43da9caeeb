"""What a laboratory checks before a case is signed: a setting of a project, kept as JSON beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.orm import Session

from hemosight.service.storage import events, projects
from hemosight.service.storage.live_events import SettingsEvent

Level = Literal["off", "warn", "reason", "second", "block"]
"""What an open check asks: nothing; a look; a reason in the note; a second signature; it stands in the way."""
Confirmation = Literal["none", "initials", "password"]

_RULE = {"measure": "type", "label": "blast", "at_least": 0.01, "level": "second"}


class SigningRule(BaseModel):
    """A number of the differential from which on a case asks for more."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RULE]})
    measure: Literal["type", "erythroblasts", "unusual", "unsure"] = Field(
        description="`type`: share of a type among the leukocytes. `erythroblasts`: for every 100 leukocytes. "
        "`unusual`: share of unreviewed cells beyond the novelty limit among all. `unsure`: share among all."
    )
    label: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="The type, for `type` alone."
    )
    at_least: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = Field(
        description="Shares are between 0 and 1."
    )
    level: Level

    @model_validator(mode="after")
    def _fits(self) -> SigningRule:
        if (self.measure == "type") != (self.label is not None):
            raise ValueError("a rule on a type names one, and no other rule does")
        if self.measure != "erythroblasts" and self.at_least > 1:
            raise ValueError("a share is at most 1")
        return self


class SigningRules(BaseModel):
    """What a laboratory checks before a case is signed; a case of an unknown scanner is never signed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"confirm": "initials", "target": 200, "rules": [_RULE]}]}
    )
    confirm: Confirmation = Field(default="none", description="What a signer gives with the signature.")
    target: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100, description="Leukocytes that a differential counts."
    )
    unreviewed: Level = Field(default="reason", description="Cells that no person labelled.")
    unsure: Level = Field(default="reason", description="Cells that somebody could not decide.")
    unusual: Level = Field(default="warn", description="Unreviewed cells beyond the novelty limit.")
    unreadable: Level = Field(default="reason", description="Files that cannot be read.")
    waiting: Level = Field(default="reason", description="Cells that the model has not read yet.")
    too_few: Level = Field(default="warn", description="Fewer leukocytes than `target`.")
    drawn_gone: Level = Field(default="block", description="Cells that were drawn to be counted and left the case.")
    drawn_later: Level = Field(default="warn", description="Cells that came into the case after its cells were drawn.")
    rules: Annotated[list[SigningRule], Field(max_length=20)] = []


def get(session: Session, project: int) -> SigningRules:
    """The rules of a project. Raises :class:`~hemosight.service.errors.NothingThere`."""
    return SigningRules.model_validate(projects.get(session, project).signing)


def put(session: Session, project: int, rules: SigningRules) -> None:
    """Replace the rules of a project; what is signed already stays under those it was signed by."""
    events.take_turn(session, project)  # before the project is held: who deletes it has the turn, and waits for it
    row = projects.get(session, project)
    row.signing = rules.model_dump(mode="json")
    session.flush()
    events.tell(session, project, SettingsEvent(changed=["signing"]))
