"""Queries for the review of reviews: every label record with its moment, and what panels read and decided."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hemosight.service.storage.database import pairs
from hemosight.service.storage.panels import FIRST
from hemosight.service.storage.tables import Image, LabelRecord, Panel, PanelDecision, PanelReading


@dataclass(frozen=True)
class BlindReading:
    """What a reader of a closed panel called a cell, the first time they saw it."""

    panel: int
    image: int
    user: int
    label: str
    at: datetime.datetime


@dataclass(frozen=True)
class Decision:
    """What a panel agreed on for a cell."""

    label: str
    at: datetime.datetime


def records(session: Session, project: int, label_set: int) -> Sequence[Any]:
    """Label records of the images that are there, in order."""
    query = (
        select(
            LabelRecord.id,
            LabelRecord.image_id,
            LabelRecord.user_id,
            LabelRecord.at,
            LabelRecord.kind,
            LabelRecord.label,
            LabelRecord.predicted,
            LabelRecord.undoes,
            LabelRecord.request,
        )
        .join(Image, Image.id == LabelRecord.image_id)
        .where(Image.project_id == project, LabelRecord.label_set_id == label_set)
    )
    return session.execute(query.order_by(LabelRecord.id)).all()


def cases_of(session: Session, project: int) -> dict[int, int | None]:
    """Image -> the number of its case, None where it has none."""
    query = select(Image.id, Image.case_id).where(Image.project_id == project)
    return pairs(session, query)


def decisions(session: Session, project: int, label_set: int) -> dict[int, Decision]:
    """The newest decision of a panel on each image."""
    query = (
        select(PanelDecision.image_id, PanelDecision.label, PanelDecision.at)
        .join(Panel, Panel.id == PanelDecision.panel_id)
        .where(Panel.project_id == project, Panel.label_set_id == label_set)
    )
    return {image: Decision(label, at) for image, label, at in session.execute(query.order_by(PanelDecision.id))}


def blind_readings(session: Session, project: int, label_set: int) -> list[BlindReading]:
    """First readings of closed panels, in order; those of an open one would tell its readers of one another."""
    query = (
        select(PanelReading.panel_id, PanelReading.image_id, PanelReading.user_id, PanelReading.label, PanelReading.at)
        .join(Panel, Panel.id == PanelReading.panel_id)
        .join(Image, Image.id == PanelReading.image_id)
        .where(
            Panel.project_id == project,
            Panel.label_set_id == label_set,
            Panel.closed_at.is_not(None),
            PanelReading.turn == FIRST,
            Image.deleted_at.is_(None),
        )
    )
    return [BlindReading(*row) for row in session.execute(query.order_by(PanelReading.id))]
