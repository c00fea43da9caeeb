"""The bundles that the service knows, and moving a project to the one that it runs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from hemosight.blood.vocabulary import CELL_TYPE, title
from hemosight.service.bundle_words import figures_in_words, masked
from hemosight.service.routes.model import calibration_of, confusion_of, source_of, training_of
from hemosight.service.routes.projects import label_sets
from hemosight.service.schemas.bundles import (
    BundleChange,
    BundleNamed,
    ClassesOfSet,
    KnownBundleShown,
    Models,
    ProjectNamed,
)
from hemosight.service.security.permissions import ProjectAdmin, SignedIn, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import amendments, audit, dossiers, events, project_bundle, projects
from hemosight.service.storage.live_events import SettingsEvent
from hemosight.service.storage.project_bundle import Move
from hemosight.service.storage.tables import KnownBundle, Project
from hemosight.service.work import jobs

router = APIRouter(tags=["bundles"])
_ALL = 1_000_000
"""More projects than anybody has."""
_MOVED = "The project is read with another bundle now. Ask for it anew."
"""Said of a dossier of the bundle before, which nobody makes any more."""


@router.get("/projects/{project}/bundle", operation_id="get_project_bundle")
def get_project_bundle(seat: Viewer, service: Service, session: Transaction) -> BundleChange:
    """Whether the service runs the project's bundle, and what a move to the service's one would change."""
    project = projects.get(session, seat.project)
    return _change(service, session, project, _planned(service, session, project))


@router.post("/projects/{project}/bundle", operation_id="change_project_bundle")
def change_project_bundle(seat: ProjectAdmin, service: Service, session: Transaction) -> BundleChange:
    """Read a project with the bundle that this service runs from now on; what that has changed.

    Cells are read anew, but for those that this bundle has read before. Labels, signatures and signed records stay as
    they are; what people answered under the bundle before says nothing of this one. Of a project that is read with it
    already nothing changes.
    """
    events.take_turn(session, seat.project)
    project = projects.get(session, seat.project)
    session.refresh(project)  # whoever had the turn before may have moved it
    plan = _planned(service, session, project)
    done = _change(service, session, project, plan)
    if done.here:
        return done
    number = service.registry.register(session)
    new = [row for row in label_sets(service.registry.bundle) if row.name in plan.new_sets]
    for row in new:
        row.created_by = seat.user.id
    project_bundle.move(session, project, number, plan, new)
    jobs.drop_others(session, project.id, number)
    called_off = dossiers.call_off(session, project.id, _MOVED)
    todo = project_bundle.unread(session, project.id, number)
    jobs.enqueue(session, project_id=project.id, bundle_id=number, images=todo)
    noted = {
        "project": project.id,
        "from": _said(done.project),
        "to": _said(done.service),
        "cells_to_read": len(todo),
        "label_sets_added": done.new_sets,
        "types_added": [name for one in done.new_classes for name in one.classes],
        "types_in_use_again": [name for one in done.again for name in one.classes],
        "identities": [done.project.identity, done.service.identity],
        "dossiers_called_off": called_off,
    }
    audit.note(session, seat, "project.bundle", noted, project.id)
    session.flush()
    events.tell(session, project.id, SettingsEvent(changed=["bundle"]))
    return done


@router.get("/models", operation_id="list_models")
def list_models(seat: SignedIn, service: Service, session: Transaction) -> Models:
    """Every bundle that has read something here: what it says of itself, and which projects it reads now."""
    listed = projects.listed(
        session, seat.user.id, everything=seat.user.is_admin, only=seat.confined, after=0, limit=_ALL
    )
    by_bundle: dict[int, list[ProjectNamed]] = {}
    for project, _ in listed:
        by_bundle.setdefault(project.bundle_id, []).append(ProjectNamed(id=project.id, name=project.name))
    rows = project_bundle.known(session)
    return Models(items=[_known(row, service.registry.identity, by_bundle.get(row.id, [])) for row in rows])


# --- steps ----------------------------------------------------------------------------------------------------


def _planned(service: State, session: Session, project: Project) -> Move:
    read = {name: reader.classes for name, reader in service.registry.bundle.classifiers.items()}
    return project_bundle.planned(session, project, read)


def _change(service: State, session: Session, project: Project, plan: Move) -> BundleChange:
    manifest, identity = service.registry.bundle.manifest, service.registry.identity
    progress = projects.progress(session, [project.id])[project.id]
    here = plan.before.sha256 == identity
    number = service.registry.number(session)
    return BundleChange(
        here=here,
        project=BundleNamed(name=plan.before.name, version=plan.before.version, identity=plan.before.sha256),
        service=BundleNamed(name=manifest.name, version=manifest.version, identity=identity),
        cells=progress.images,
        to_read=len(project_bundle.unread(session, project.id, number)),
        labelled=progress.labelled,
        signed=len(amendments.signed(session, project.id)),
        panels=project_bundle.open_panels(session, project.id),
        new_sets=[title(name) for name in plan.new_sets],
        new_classes=_classes(plan, "added"),
        again=_classes(plan, "again"),
        unread_sets=[row.title for row in plan.unread_sets],
        unread_classes=_classes(plan, "unread"),
        own_sets=[row.title for row in plan.own_sets],
    )


def _classes(plan: Move, which: str) -> list[ClassesOfSet]:
    """The classes of one kind, set by set, by the titles that they have afterwards."""
    found = []
    for one in plan.sets:
        titles = {facts["name"]: facts["title"] for facts in one.classes}
        if chosen := [titles[name] for name in getattr(one, which)]:
            found.append(ClassesOfSet(label_set=one.row.title, classes=chosen))
    return found


def _said(bundle: BundleNamed) -> str:
    return f"{bundle.name} {bundle.version}"


def _known(row: KnownBundle, loaded: str, of: list[ProjectNamed]) -> KnownBundleShown:
    """A bundle by its manifest, which an older version may have written: nothing is taken for granted."""
    manifest: dict[str, Any] = row.manifest
    sets, figures = manifest.get("label_sets") or {}, manifest.get("figures") or {}
    held, provenance = figures.get("held_out") or {}, manifest.get("encoder_provenance") or {}
    return KnownBundleShown(
        id=row.id,
        name=row.name,
        version=row.version,
        identity=row.sha256,
        loaded=row.sha256 == loaded,
        added_at=row.added_at,
        created=manifest.get("created") or "",
        backbone=manifest.get("backbone") or "",
        notice=manifest.get("notice") or "",
        projects=of,
        sources=[source_of(facts) for facts in manifest.get("sources") or []],
        classes=list((sets.get(CELL_TYPE) or {}).get("classes", [])),
        label_sets=[title(name) for name in sets if name != CELL_TYPE],
        figures=figures_in_words(figures, manifest.get("sources") or []),
        confusion=confusion_of(held),
        calibration=calibration_of(held),
        training=training_of(provenance),
        provenance=masked(provenance),
        commands=masked(manifest.get("commands") or []),
    )
