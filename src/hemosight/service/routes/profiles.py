"""Scanner profiles: what scanner and stain a case came from, at which pixel scale, and what its cells look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.engine.bundle import Bundle
from hemosight.service.desk import likeness
from hemosight.service.desk.profile_reader import ProfileReader
from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.intake import finder_threshold
from hemosight.service.routes.differential import CaseQuery
from hemosight.service.schemas.profiles import (
    FinderFitted,
    FinderShown,
    NewProfile,
    ProfileCalibration,
    ProfileChange,
    ProfileChoice,
    ProfileMeasure,
    ProfileMerge,
    Profiles,
    ProfileShown,
    ScaleMeasured,
)
from hemosight.service.security.permissions import Id, ProjectAdmin, Reviewer, Viewer
from hemosight.service.state import Service, State
from hemosight.service.storage import audit, cases, fields, profiles, projects
from hemosight.service.storage.fields import FinderCounts
from hemosight.service.storage.tables import Profile
from hemosight.service.work import jobs, scales

router = APIRouter(prefix="/projects/{project}", tags=["profiles"])


@router.get("/profiles", operation_id="list_profiles")
def list_profiles(seat: Viewer, service: Service, case: CaseQuery = None) -> Profiles:
    """The scanner profiles of a project; with a case, how much its cells look like those of each."""
    return _profiles(service, seat.project, case)


@router.post("/profiles", operation_id="add_profile", status_code=201)
def add_profile(seat: Reviewer, service: Service, given: NewProfile) -> ProfileShown:
    """A new profile. A case that is named goes there, with its labels, and is read again if the scale is another."""
    with service.database.session() as session:
        profiles.take_scales(session, seat.project)
        row = profiles.add(session, seat.project, given.name, seat.user.id, given.scale)
        noted = {"profile": row.id, "name": row.name, "scale": row.scale, "case": given.case}
        audit.note(session, seat, "profile.create", noted, seat.project)
        if given.case is not None:
            case = cases.get(session, seat.project, given.case)
            _queue(session, seat.project, profiles.choose(session, case, row))
        number = row.id
    return _one(service, seat.project, number)


@router.patch("/profiles/{profile}", operation_id="change_profile")
def change_profile(seat: Reviewer, service: Service, profile: Id, given: ProfileChange) -> ProfileShown:
    """Change a profile's name or scale. With another scale its cells are read again, but those of signed cases."""
    with service.database.session() as session:
        profiles.take_scales(session, seat.project)
        row = profiles.get(session, seat.project, profile)
        before = {"name": row.name, "scale": row.scale}
        noted = {"profile": profile, "before": before, **given.model_dump(exclude_none=True)}
        audit.note(session, seat, "profile.change", noted, seat.project)
        if given.name is not None and given.name != row.name:
            profiles.rename(session, row, given.name)
        if given.scale is not None:
            _queue(session, seat.project, profiles.set_scale(session, row, given.scale, given.scale_from))
    return _one(service, seat.project, profile)


@router.post("/profiles/{profile}/merge", operation_id="merge_profile")
def merge_profile(seat: ProjectAdmin, service: Service, profile: Id, given: ProfileMerge) -> ProfileShown:
    """Put a profile's cases and labels into another and end it; cells are read again if the scale is another."""
    with service.database.session() as session:
        profiles.take_scales(session, seat.project)
        row, into = (profiles.get(session, seat.project, number) for number in (profile, given.into))
        noted = {"profile": profile, "name": row.name, "scale": row.scale, "into": into.id}
        audit.note(session, seat, "profile.merge", noted, seat.project)
        _queue(session, seat.project, profiles.merge(session, row, into))
    return _one(service, seat.project, given.into)


@router.post("/profiles/{profile}/measure", operation_id="measure_profile")
def measure_profile(seat: Reviewer, service: Service, profile: Id, given: ProfileMeasure) -> ProfileShown:
    """Measure the pixel scale on the red cells of its pictures; the scale that cells are read with stays."""
    with service.database.session() as session:
        if given.case is not None:
            cases.get(session, seat.project, given.case)
    found = scales.of_profile(service.database, seat.project, profile, given.case)
    with service.database.session() as session:
        noted = {"profile": profile, "case": given.case, "factor": found.factor}
        audit.note(session, seat, "profile.measure", noted, seat.project)
    return _one(service, seat.project, profile)


@router.put("/cases/{case}/profile", operation_id="choose_profile")
def choose_profile(seat: Reviewer, service: Service, case: Id, given: ProfileChoice) -> Profiles:
    """Say which scanner a case came from: its labels teach that profile. A signed case keeps its own."""
    with service.database.session() as session:
        profiles.take_scales(session, seat.project)
        row = cases.get(session, seat.project, case)
        noted = {"case": case, "profile": given.profile, "before": row.profile_id}
        audit.note(session, seat, "case.profile", noted, seat.project)
        into = profiles.get(session, seat.project, given.profile)
        _queue(session, seat.project, profiles.choose(session, row, into))
    return _profiles(service, seat.project, case)


@router.post("/profiles/{profile}/finder", operation_id="fit_finder")
def fit_finder(seat: ProjectAdmin, service: Service, profile: Id) -> FinderFitted:
    """Fit the score from which the search takes something for a white cell to what people added and removed.

    Only fields that somebody looked at as a whole say it. It moves where that is better beyond chance, for cases that
    begin from then on: the fields of one case are searched by one rule. It looks at 300 fields at most, and for 45
    seconds; one is fitted at a time (503 with `Retry-After` meanwhile).
    """
    found, count, before = finder_threshold.teach(service.database, seat, profile)
    return FinderFitted(
        fields=count,
        before=before,
        least=found.least,
        missed_before=found.before.missed,
        false_before=found.before.false_cells,
        missed=found.after.missed,
        false_cells=found.after.false_cells,
        mended=found.mended,
        spoilt=found.spoilt,
        chance=found.chance,
    )


# --- steps ------------------------------------------------------------------------------------------------


def _queue(session: Session, project: int, again: Sequence[int]) -> None:
    """Have images read again."""
    if again:
        bundle = projects.get(session, project).bundle_id
        jobs.enqueue(session, project_id=project, bundle_id=bundle, images=again)


def _one(service: State, project: int, profile: int) -> ProfileShown:
    return next(item for item in _profiles(service, project, None).items if item.id == profile)


def _profiles(service: State, project: int, case: int | None) -> Profiles:
    state = service.project_states.get(project)
    snapshot, reads = state.readings.snapshot(CELL_TYPE), state.readings.profile_readers(CELL_TYPE)
    with service.database.session() as session:
        if case is not None:
            cases.require(session, project, case)
        rows = profiles.listed(session, project)
        chosen = profiles.of_cases(session, project)
        found = fields.finder_counts(session, project)
    oldest = rows[0].id
    of_case = None if case is None else chosen.get(case) or oldest
    alike = {} if case is None else likeness.of_case(snapshot, case)
    counts = np.array([chosen[number] or oldest for number in chosen], np.int64)
    undecided = case is not None and case != cases.WITHOUT and chosen.get(case) is None
    return Profiles(
        items=[
            _shown(row, row.id == oldest, snapshot, int((counts == row.id).sum()), alike, found.get(row.id)).model_copy(
                update={"calibration": _calibration(state.bundle, reads.get(row.id))}
            )
            for row in rows
        ],
        of_case=of_case,
        chosen=case is not None and chosen.get(case) is not None,
        proposed=likeness.proposed(alike, of_case) if undecided and of_case is not None else None,
    )


def _shown(
    row: Profile,
    oldest: bool,
    snapshot: Snapshot,
    count: int,
    alike: dict[int, float | None],
    found: FinderCounts | None,
) -> ProfileShown:
    own = snapshot.read & (snapshot.profile == row.id)
    return ProfileShown(
        id=row.id,
        name=row.name,
        scale=row.scale,
        scale_from=row.scale_from,  # type: ignore[arg-type] -- the table's constraint
        measured=None if row.measured is None else ScaleMeasured.model_validate(row.measured),
        oldest=oldest,
        created_at=row.created_at,
        cases=count,
        cells=int(own.sum()),
        labelled=int((own & (snapshot.label >= 0)).sum()),
        novelty=float(np.median(snapshot.novelty[own])) if own.any() else None,
        likeness=alike.get(row.id),
        finder=None if found is None else FinderShown(**vars(found), least=row.least),
    )


def _calibration(bundle: Bundle, reader: ProfileReader | None) -> ProfileCalibration | None:
    known = bundle.classifiers.get(CELL_TYPE)
    if known is None:
        return None
    if reader is None:  # no label of it has taught anything yet
        return ProfileCalibration(on="bundle", temperature=1.0)
    own = reader.familiarity is None and bundle.familiarity is not None
    return ProfileCalibration(
        on="labels" if own else "bundle", temperature=known.slope / reader.classifier.slope if own else 1.0
    )
