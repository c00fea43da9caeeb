"""The projects that a process holds in memory: loaded when somebody looks, dropped when others need the room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.service.desk.project_state import ProjectState
from hemosight.service.desk.references import References
from hemosight.service.storage.database import Database

ROOM = 2 * 2**30
"""Bytes that projects may take together; the one looked at last always stays."""


class ProjectStates:
    """Projects in memory by number, the most recently used ones; safe to use from several threads.

    Parameters
    ----------
    database
        Where projects are.
    bundle_of
        A session and a bundle's number -> the bundle; raises where this process has another one.
    room
        Bytes that projects may take together.
    """

    def __init__(self, database: Database, bundle_of: Callable[[Session, int], Bundle], room: int = ROOM) -> None:
        self._database = database
        self._bundle_of = bundle_of
        self._room = room
        self._references = References()
        self._lock = threading.Lock()
        self._states: OrderedDict[int, ProjectState] = OrderedDict()
        self._loading: dict[int, threading.Lock] = {}

    def get(self, project: int) -> ProjectState:
        """A project in memory. Raises :class:`~hemosight.service.errors.NothingThere` where there is none."""
        while True:
            with self._lock:
                state = self._states.get(project)
                if state is not None:
                    self._states.move_to_end(project)
                    return state
                loading = self._loading.setdefault(project, threading.Lock())
            with loading:  # one thread loads, others that want the same project wait for it; other projects go on
                with self._lock:
                    if self._loading.get(project) is not loading:
                        continue  # whoever loaded is done, or failed: look again
                try:
                    state = ProjectState(project, self._database, self._bundle_of, self._references)
                    with self._lock:
                        self._states[project] = state
                finally:
                    with self._lock:
                        del self._loading[project]
            self._make_room()
            return state

    def drop(self, project: int) -> None:
        """Forget a project that was deleted."""
        with self._lock:
            self._states.pop(project, None)

    def _make_room(self) -> None:
        with self._lock:
            held = list(self._states.items())
        sizes = {project: state.size for project, state in held}
        with self._lock:
            for project, _ in held[:-1]:
                if sum(sizes.values()) <= self._room:
                    return
                self._states.pop(project, None)
                del sizes[project]

    def __len__(self) -> int:
        return len(self._states)
