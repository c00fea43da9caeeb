"""Uploads: files in, images and jobs out."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from hemosight.service.errors import NothingThere
from hemosight.service.intake import drawing, multipart
from hemosight.service.intake.fields import FieldIntake, FieldTarget
from hemosight.service.intake.uploads import UploadIntake
from hemosight.service.schemas.uploads import (
    Drawn,
    FieldFound,
    FieldsFound,
    FileChecksums,
    FileOutcome,
    FileOutcomes,
    KnownFiles,
    NewDrawing,
    NewUpload,
    UploadBegun,
    UploadShown,
)
from hemosight.service.security.leaving import leaving
from hemosight.service.security.permissions import Id, ProjectSeat, Reviewer, Viewer
from hemosight.service.state import Service, State, Transaction
from hemosight.service.storage import audit, cases, events, fields, profiles, uploads
from hemosight.service.storage.live_events import ImagesEvent
from hemosight.service.storage.tables import Upload
from hemosight.service.work import jobs, recrops

router = APIRouter(prefix="/projects/{project}", tags=["uploads"])
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "description": "Pictures, and zips of them; a name may hold folders.",
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}


@router.post("/uploads", operation_id="begin_upload", status_code=201)
def begin_upload(seat: Reviewer, session: Transaction, given: NewUpload) -> UploadBegun:
    """Begin an upload; files follow, in as many requests as it takes."""
    row = uploads.begin(session, seat.project, seat.user.id, given.case, given.profile, given.bits)
    audit.note(session, seat, "upload.begin", {"upload": row.id, "case": row.case_id}, seat.project)
    return UploadBegun(id=row.id)


@router.post("/uploads/{upload}/files", operation_id="add_files", openapi_extra=_FORM)
async def add_files(seat: Reviewer, service: Service, request: Request, upload: Id) -> FileOutcomes:
    """Add pictures, or zips of folders of pictures. Each file fails alone; what the project knows is not added again.

    Files are stored as they come, and read as soon as they are stored. A request that breaks off has lost nothing of
    what was stored: send it again, or ask `known` first and send the rest.
    """
    intake = await run_in_threadpool(UploadIntake, service.database, service.settings, seat, seat.project, upload)
    outcomes = []
    most = service.settings.max_request_files
    async with AsyncExitStack() as stack:
        gone = threading.Event()

        def take(parts: list[multipart.Part]) -> None:
            for name, file in parts:
                outcomes.extend(intake.take(name, file, gone.is_set))

        async for parts, ended in multipart.files(request, field="files", most=most):
            if ended:  # the whole request has come: from here on it can be heard that the other side leaves
                gone = await stack.enter_async_context(leaving(request))
            await run_in_threadpool(take, parts)
        outcomes += await run_in_threadpool(intake.finish)
    return FileOutcomes(items=[FileOutcome(**vars(outcome)) for outcome in outcomes])


@router.post("/uploads/{upload}/fields", operation_id="add_fields", openapi_extra=_FORM)
async def add_fields(
    seat: Reviewer,
    service: Service,
    request: Request,
    upload: Id,
    mpp: Annotated[
        float | None, Query(ge=0.01, le=5, description="Micrometres a pixel; measured if left away.")
    ] = None,
) -> FieldsFound:
    """Add fields of view of a camera: their white cells are found, and each becomes an image of the upload.

    Each field fails alone. An image's name is the field's, a number, and where in the field the cell lies. The field is
    kept; one that the project has is not searched again, so that what people added and removed stays.
    """
    intake = await run_in_threadpool(_field_intake, service, seat, upload, mpp)
    found: list[FieldFound] = []
    async for parts, _ in multipart.files(request, field="files", most=service.settings.max_request_files):
        for name, file in parts:
            found.append(FieldFound.model_validate(await run_in_threadpool(intake.take, name, file)))
    return FieldsFound(items=found)


@router.post("/drawn", operation_id="draw_cells", status_code=201)
async def draw_cells(seat: Reviewer, service: Service, given: NewDrawing) -> Drawn:
    """Draw cells and add them, for somebody who has no crops at hand. They are of the case `drawn`, and nobody's.

    They go the way of every upload and are read while others are still being drawn; the answer comes when all are
    there, after some seconds. Asked again, it adds what is missing: the same cells are known by their content.
    Cancelling the upload ends it.
    """
    upload = await run_in_threadpool(drawing.begin, service.database, seat, given.count, given.seed)
    intake = await run_in_threadpool(UploadIntake, service.database, service.settings, seat, seat.project, upload)
    states: list[str] = []
    async with service.drawing:
        async for outcomes in iterate_in_threadpool(drawing.draw(intake, given.count, given.seed)):
            states += [outcome.state for outcome in outcomes]
    return Drawn(upload=upload, case=drawing.CASE, added=states.count("added"), known=states.count("known"))


@router.get("/uploads/{upload}", operation_id="get_upload")
def get_upload(seat: Viewer, session: Transaction, upload: Id) -> UploadShown:
    """How far an upload is."""
    row = uploads.get(session, seat.project, upload)
    if row is None:
        raise NothingThere(kind="an upload of this project")
    return _shown(row, uploads.counts(session, row))


@router.delete("/uploads/{upload}", operation_id="cancel_upload")
def cancel_upload(seat: Reviewer, session: Transaction, upload: Id) -> UploadShown:
    """Take back what still waits, unless somebody has labelled or commented on it; what was read stays."""
    row = uploads.get(session, seat.project, upload)
    if row is None:
        raise NothingThere(kind="an upload of this project")
    row = uploads.close(session, row)
    jobs.cancel(session, row.id)
    removed = uploads.take_back(session, row)
    recrops.ask(session, seat.project)
    audit.note(session, seat, "upload.cancel", {"upload": row.id, "removed": removed}, seat.project)
    counts = uploads.counts(session, row)
    session.flush()
    if removed:
        events.tell(session, seat.project, ImagesEvent(added=0, removed=removed, upload=row.id))
    return _shown(row, counts)


@router.post("/known", operation_id="ask_known")
def ask_known(seat: Viewer, session: Transaction, given: FileChecksums) -> KnownFiles:
    """Which files the project has already, by their sha256: an upload that broke off goes on without them."""
    found = uploads.known(session, seat.project, [bytes.fromhex(sha) for sha in given.sha256])
    return KnownFiles(known={sha.hex(): image for sha, image in found.items()})


def _field_intake(service: State, seat: ProjectSeat, upload: int, mpp: float | None) -> FieldIntake:
    """What takes the fields of a request, as the case of their upload has it."""
    with service.database.session() as session:
        row = uploads.get(session, seat.project, upload)
        case = cases.get(session, seat.project, row.case_id) if row is not None and row.case_id is not None else None
        scale = profiles.of_case(session, seat.project, case).scale
        bits = None if row is None else row.bits
        least = fields.least_of(session, seat.project, case)
    files = UploadIntake(service.database, service.settings, seat, seat.project, upload)
    place = FieldTarget(service.database, seat, seat.project, upload)
    return FieldIntake(files, place, service.settings, scale, mpp, bits, least)


def _shown(row: Upload, counts: uploads.Counts) -> UploadShown:
    return UploadShown(
        id=row.id,
        total=counts.total,
        read=counts.read,
        refused=counts.refused,
        waiting=counts.waiting,
        cancelled=row.cancelled_at is not None,
        removed=row.removed,
        created_at=row.created_at,
    )
