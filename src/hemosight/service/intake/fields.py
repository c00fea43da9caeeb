"""Fields of a camera are kept; their white cells become the images of an upload, cut out at the project's scale."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO

from hemosight.errors import UnreadableImage
from hemosight.images import pixel_scale
from hemosight.images.bare import bare
from hemosight.images.decode import Pixels, decode, measure
from hemosight.images.finding.cells import FOUND, FoundCell, find
from hemosight.images.finding.fairness import fairness, words
from hemosight.images.finding.fields import RED_CELL_UM, Scale, Searched, by_nuclei, crop_side, of_pixels, png
from hemosight.images.finding.places import FieldPlace, FilmCell, by_name, in_pixels, is_of_two_films, seen_again
from hemosight.images.limits import MEGAPIXELS
from hemosight.images.thumbnails import thumbnail
from hemosight.service.errors import NothingThere
from hemosight.service.intake.uploads import (
    LEFTOVER,
    UploadIntake,
    UploadOutcome,
    is_leftover,
    media_type,
    plain_name,
)
from hemosight.service.operations.disk import require_room
from hemosight.service.settings import Settings
from hemosight.service.storage import audit, fields, films, images, uploads
from hemosight.service.storage.audit import Actor
from hemosight.service.storage.database import Database
from hemosight.service.storage.fields import NewCell, NewField
from hemosight.service.storage.uploads import NewPicture
from hemosight.service.work import recrops

UNNAMED = "field"
"""What a field is called in a project that keeps no names; its number tells it from others."""


@dataclass(frozen=True)
class FieldOutcome:
    """What became of one field: how many white cells were found in it, and how many of them are marked.

    ``reason`` says why a field was refused; ``images`` are the numbers of the cells, those that were there before too.
    ``field`` is its number, ``fair`` whether counting is fair in it and ``fairness`` why; ``known`` says that the
    project had it already: its cells are those that stand now, and it was not searched again. ``seen_again`` are cells
    more that another field counts; ``placed`` says whether it is known where on the film the field lies, ``same_place``
    that it is not because fields of its film lie at one place.
    """

    name: str
    cells: int = 0
    marked: int = 0
    red_cell_px: float | None = None
    scale_from: str | None = None
    images: tuple[int, ...] = ()
    field: int | None = None
    fair: bool | None = None
    fairness: str | None = None
    known: bool = False
    seen_again: int = 0
    placed: bool = False
    same_place: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class _Where:
    """Where a field lies, and which of its cells (by their place in the list) count as which cell of another field."""

    place: FieldPlace | None = None
    again: dict[int, int] = field(default_factory=dict)
    same_place: bool = False


@dataclass(frozen=True)
class FieldTarget:
    """Where fields go, and who sends them."""

    database: Database
    actor: Actor | None
    project: int
    upload: int


class FieldIntake:
    """Takes fields of one request into an upload, one by one; each fails alone.

    Parameters
    ----------
    intake
        Where the crops go.
    place
        Where the fields go.
    scale
        The pixel scale of the case's scanner profile: crops are cut so that it brings them to the reference.
    bits
        Bits of the fields' deep samples, where the files do not say.
    mpp
        Micrometres a pixel of the fields; measured on their red cells where None. A field with too few red cells is
        taken to have the scale of the one before; the first of all then by its nuclei.
    least
        Score from which something is taken for a white cell.
    """

    def __init__(
        self,
        intake: UploadIntake,
        place: FieldTarget,
        settings: Settings,
        scale: float,
        mpp: float | None,
        bits: int | None = None,
        least: float = FOUND,
    ) -> None:
        self._intake = intake
        self._place = place
        self._settings = settings
        self._bits = bits
        self._side = crop_side(scale)
        self._scale = None if mpp is None else Scale(RED_CELL_UM / mpp, "given")
        self._before: Scale | None = None
        self._least = least

    def take(self, name: str, file: IO[bytes]) -> FieldOutcome:
        """Find the cells of a field and store them."""
        name = plain_name(name)
        with file:
            if is_leftover(name):
                return FieldOutcome(name, reason=LEFTOVER)
            data = file.read(self._settings.max_file_bytes * 4 + 1)
        if len(data) > self._settings.max_file_bytes * 4:
            return FieldOutcome(name, reason=f"more than {self._settings.max_file_bytes * 4 / 1e6:.0f} MB")
        try:
            width, height = measure(data)
            if width * height > MEGAPIXELS * 1e6:
                return FieldOutcome(name, reason=f"more than {MEGAPIXELS} megapixels: search a slide by hemosight find")
            if not self._intake.named:
                data = bare(data, self._bits)  # a project that keeps no names keeps none of its fields either
                width, height = measure(data)
            sha256 = hashlib.sha256(data).digest()
            if (before := self._known(name, sha256, width, height)) is not None:
                return before
            pixels = decode(data, self._bits)
            scale = self._scale_of(pixels)
            searched = of_pixels(pixels, scale, find(pixels, scale.red_cell_px, self._least))
            fair = fairness(pixels, scale.red_cell_px, searched.cells)
            kept = name if self._intake.named else UNNAMED
            picture = NewPicture(kept, sha256, data, media_type(data), width, height, thumbnail(data, self._bits))
        except UnreadableImage as fault:
            return FieldOutcome(name, reason=str(fault))
        cells = sorted(searched.cells, key=lambda cell: (cell.y, cell.x))
        where = self._again(name, sha256, (width, height), cells)
        again = where.again
        elsewhere = [
            NewCell(cell.x, cell.y, cell.width, cell.height, cell.score, cell.marks, None, again[at])
            for at, cell in enumerate(cells)
            if at in again
        ]
        cells = [cell for at, cell in enumerate(cells) if at not in again]
        outcomes = self._store(name, searched, cells)
        new = NewField(
            picture, scale.red_cell_px, scale.source, fair.covered, fair.fine, fair.reasons, self._least, where.place
        )
        number = self._keep(new, cells, outcomes, elsewhere, where.same_place)
        return FieldOutcome(
            name,
            len(cells),
            sum(bool(cell.marks) for cell in cells),
            scale.red_cell_px,
            scale.source,
            tuple(outcome.image for outcome in outcomes if outcome.image is not None),
            number,
            fair.fair,
            words(fair.covered, fair.reasons),
            seen_again=len(elsewhere),
            placed=where.place is not None and not where.same_place,
            same_place=where.same_place,
        )

    def _again(self, name: str, sha256: bytes, size: tuple[int, int], cells: Sequence[FoundCell]) -> _Where:
        """Where the field lies, and which of its cells (by their place in the list) a field of the case counts as what.

        Of two fields that show a cell the one that came first counts it: it may be labelled there already. Where a
        field of other content lies at the same place, neither tells where it lies, nor does another of that film.
        """
        place = by_name(name)
        if place is None:
            return _Where()
        film = hashlib.sha256(place.film.encode()).hexdigest()[:16]  # the name may say more than a project keeps
        place = replace(place, film=film)
        with self._place.database.session() as session:
            upload = uploads.get(session, self._place.project, self._place.upload)
            there = films.on_film(session, self._place.project, None if upload is None else upload.case_id, film)
        own = sha256.hex()
        before = [one for one, _, _ in there.placed.values()]
        if is_of_two_films([*before, place]):
            return _Where(place, same_place=True)
        if own not in in_pixels({**there.placed, own: (place, *size)}):
            return _Where()
        boxes = [replace(cell, marks=(), score=2.0) for _, cell in there.cells]
        shown = [FilmCell("", at, box) for at, box in enumerate(boxes)]
        shown += [FilmCell(own, at, cell.moved(place.x, place.y)) for at, cell in enumerate(cells)]
        again = seen_again(shown)
        return _Where(place, {at: there.cells[one.number][0] for (of, at), one in again.items() if of == own})

    def _known(self, name: str, sha256: bytes, width: int, height: int) -> FieldOutcome | None:
        """What is there of a field that came before: searched again it would bring back what people removed."""
        with self._place.database.session() as session:
            row = fields.known(session, self._place.project, sha256)
            if row is None:
                return None
            images.turn(session, sha256, width, height)
            same_place = (row.case_id, row.film) in films.of_two_films(session, [row])
            stands = [cell for cell in fields.cells(session, row.id) if cell.image_id is not None]
            return FieldOutcome(
                name,
                len(stands),
                sum(bool(cell.marks) for cell in stands),
                row.red_cell_px,
                row.scale_from,
                tuple(sorted(cell.image_id for cell in stands if cell.image_id is not None)),
                row.id,
                not row.reasons,
                words(row.covered, row.reasons),
                known=True,
                seen_again=fields.counts(session, [row]).get(row.id, fields.FieldCounts()).seen_again,
                placed=row.film is not None and not same_place,
                same_place=same_place,
            )

    def _scale_of(self, pixels: Pixels) -> Scale:
        if self._scale is not None:
            return self._scale
        measured = pixel_scale.measure([pixels]).red_cell_px
        if measured is not None:
            self._before = Scale(measured, "red cells")
            return self._before
        if self._before is not None:
            return replace(self._before, source="the field before")
        return by_nuclei([pixels])

    def _store(self, name: str, searched: Searched, cells: Sequence[FoundCell]) -> list[UploadOutcome]:
        outcomes: list[UploadOutcome] = []
        for number, cell in enumerate(cells, start=1):
            # The name says where the cell lies in its field, and what speaks against counting it.
            x, y = (round(at) for at in cell.middle)
            marks = f" {'+'.join(cell.marks)}" if cell.marks else ""
            crop = io.BytesIO(png(searched, cell, self._side))
            outcomes += self._intake.take(f"{name}/{number:03d} at {x},{y}{marks}.png", crop)
        return outcomes + self._intake.finish()

    def _keep(
        self,
        new: NewField,
        cells: Sequence[FoundCell],
        outcomes: Sequence[UploadOutcome],
        elsewhere: Sequence[NewCell],
        same_place: bool,
    ) -> int:
        """Keep the field with its cells' boxes. Returns its number."""
        require_room(self._settings)
        placed = [
            NewCell(cell.x, cell.y, cell.width, cell.height, cell.score, cell.marks, outcome.image)
            for cell, outcome in zip(cells, outcomes, strict=True)
            if outcome.image is not None
        ]
        with self._place.database.session() as session:
            upload = uploads.get(session, self._place.project, self._place.upload)
            if upload is None:
                raise NothingThere(kind="an upload of this project")
            row = fields.add(session, upload, new, [*placed, *elsewhere])
            noted = {"field": row.id, "case": row.case_id, "cells": len(placed), "sha256": new.picture.sha256.hex()}
            audit.note(session, self._place.actor, "field.add", noted, self._place.project)
            if same_place and row.film is not None:
                films.free(session, row)
            if same_place or elsewhere:  # of which another field may have lost the cell meanwhile
                recrops.ask(session, self._place.project)
            return row.id
