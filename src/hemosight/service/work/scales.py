"""Measuring the pixel scale of a scanner profile on the red cells of its pictures."""

from __future__ import annotations

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hemosight.images.pixel_scale import PixelScale, measure, spread
from hemosight.service.storage import events, profiles
from hemosight.service.storage.database import Database
from hemosight.service.storage.live_events import ProfileEvent
from hemosight.service.storage.tables import Case, CellEmbedding, Image, Picture, Profile

log = structlog.get_logger()

LEAST, MOST = 20, 40
"""Pictures of a profile from which it is measured unasked, and that are looked at, at most."""


def of_profile(database: Database, project: int, profile: int, case: int | None = None) -> PixelScale:
    """Measure a profile on its pictures, or on those of one case of it, and note the measurement.

    Raises :class:`~hemosight.service.errors.NothingThere`. The scale that cells are read with stays.
    """
    with database.session() as session:
        profiles.get(session, project, profile)
        pictures = _pictures(session, project, profile, case)
    found = measure(pictures)  # without a connection: it takes seconds
    with database.session() as session:
        events.take_turn(session, project)  # before the profile's row is held
        row = profiles.get(session, project, profile)
        row.measured = found.to_json()
        session.flush()
        profiles.changed(session, project, ProfileEvent(profile=profile, measured=True))
    return found


def of_new_profiles(database: Database, project: int, bundle_id: int) -> int:
    """Measure the project's profiles that nobody has measured yet and whose cells are read. Returns how many."""
    with database.session() as session:
        new = _unmeasured(session, project, bundle_id)
    for profile in new:
        found = of_profile(database, project, profile)
        log.info("scale_measured", project=project, profile=profile, factor=found.factor, reason=found.reason)
    return len(new)


def _pictures(session: Session, project: int, profile: int, case: int | None) -> list[bytes]:
    query = select(Image.id).where(Image.project_id == project).order_by(Image.id)
    if case is None:
        query = query.outerjoin(Case, Case.id == Image.case_id)
        query = query.where(func.coalesce(Case.profile_id, profiles.oldest(project)) == profile)
    else:
        query = query.where(Image.case_id == case)
    chosen = spread(session.scalars(query).all(), MOST)
    pictures = select(Picture.data).join(Image, Image.sha256 == Picture.sha256).where(Image.id.in_(chosen))
    return list(session.scalars(pictures.order_by(Image.id)))


def _unmeasured(session: Session, project: int, bundle_id: int) -> list[int]:
    """Profiles without a measurement of which every cell is read, and enough of them."""
    query = (
        select(Profile.id)
        .select_from(Image)
        .outerjoin(Case, Case.id == Image.case_id)
        .join(Profile, Profile.id == func.coalesce(Case.profile_id, profiles.oldest(project)))
        .outerjoin(CellEmbedding, (CellEmbedding.image_id == Image.id) & (CellEmbedding.bundle_id == bundle_id))
        .where(Image.project_id == project, Profile.measured.is_(None))
        .group_by(Profile.id)
        .having(func.count() >= LEAST, func.count() == func.count(CellEmbedding.image_id))
    )
    return list(session.scalars(query))
