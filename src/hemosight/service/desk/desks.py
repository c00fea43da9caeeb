"""The desks of a process: a project is loaded when somebody looks at it and dropped when others need the room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy.orm import Session

from hemosight.bundle import Bundle
from hemosight.service.desk.desk import Desk
from hemosight.service.desk.references import References
from hemosight.service.storage.database import Database

ROOM = 2 * 2**30
"""Bytes that desks may take together; the one looked at last always stays."""


class Desks:
    """Desks by project, the most recently used ones; safe to use from several threads.

    Parameters
    ----------
    database
        Where projects are.
    bundle_of
        A session and a bundle's number -> the bundle; raises where this process has another one.
    room
        Bytes that desks may take together.
    """

    def __init__(self, database: Database, bundle_of: Callable[[Session, int], Bundle], room: int = ROOM) -> None:
        self._database = database
        self._bundle_of = bundle_of
        self._room = room
        self._references = References()
        self._lock = threading.Lock()
        self._desks: OrderedDict[int, Desk] = OrderedDict()
        self._loading: dict[int, threading.Lock] = {}

    def get(self, project: int) -> Desk:
        """The desk of a project. Raises :class:`~hemosight.service.errors.NothingThere` where there is none."""
        with self._lock:
            desk = self._desks.get(project)
            if desk is not None:
                self._desks.move_to_end(project)
                return desk
            loading = self._loading.setdefault(project, threading.Lock())
        with loading:  # one loads, others who want the same project wait for it; other projects go on
            with self._lock:
                desk = self._desks.get(project)
            if desk is None:
                desk = Desk(project, self._database, self._bundle_of, self._references)
                with self._lock:
                    self._desks[project] = desk
                    self._loading.pop(project, None)
        self._make_room()
        return desk

    def _make_room(self) -> None:
        with self._lock:
            held = list(self._desks.items())
        sizes = {project: desk.size for project, desk in held}
        with self._lock:
            for project, _ in held[:-1]:
                if sum(sizes.values()) <= self._room:
                    return
                self._desks.pop(project, None)
                del sizes[project]

    def __len__(self) -> int:
        return len(self._desks)
