"""The bundles this installation can read with, and how the database knows them.

The database holds a bundle's manifest and its identity, never its files: every process loads the bundle its settings
name. A project is read with one bundle at a time, so that its readings stay comparable; its administrator may move it
to the one that the service runs (:mod:`hemosight.service.storage.project_bundle`).
"""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from hemosight.engine.bundle import Bundle
from hemosight.engine.bundle import load as load_bundle
from hemosight.engine.engine import Engine
from hemosight.service.errors import Refusal
from hemosight.service.storage import project_bundle
from hemosight.service.storage.tables import KnownBundle


class BundleRegistry:
    """The bundle that a process is configured with, loaded at first need; safe to ask from several threads.

    Parameters
    ----------
    bundle
        Its path, or the bundle itself; the one that comes with HemoSight where None.
    threads
        Processor threads of its engine; all cores where None. Others that compute for the process keep to it too.
    backend
        What computes its engine's vectors (:class:`hemosight.engine.engine.Engine`).
    """

    def __init__(
        self, bundle: Path | Bundle | None = None, threads: int | None = None, backend: str | None = None
    ) -> None:
        self._given = bundle
        self.threads = threads
        self._backend = backend
        self._lock = threading.RLock()
        self._known: dict[int, str] = {}

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle."""
        with self._lock:
            return self._given if isinstance(self._given, Bundle) else load_bundle(self._given)

    @cached_property
    def identity(self) -> str:
        """sha256 (hexadecimal) of the manifest, in which every file's sha256 stands, and of the encoder."""
        hashing = hashlib.sha256(self.bundle.manifest.model_dump_json().encode())
        hashing.update(hashlib.sha256(self.bundle.encoder).digest())
        return hashing.hexdigest()

    @cached_property
    def engine(self) -> Engine:
        """An engine on the bundle."""
        with self._lock:
            return self.__dict__.get("engine") or Engine(self.bundle, self.threads, self._backend)

    def register(self, session: Session) -> int:
        """The bundle's number in the database, which from now on knows it."""
        manifest, space = self.bundle.manifest, self.bundle.space
        facts = {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": self.identity,
            "space": f"{space.encoder}:{space.preprocessing}",
            "manifest": manifest.model_dump(mode="json"),
        }
        known = select(KnownBundle.id).where(KnownBundle.sha256 == self.identity)
        if session.scalar(known) is None:
            session.execute(insert(KnownBundle).values(**facts).on_conflict_do_nothing(index_elements=["sha256"]))
        return session.scalars(known).one()

    def number(self, session: Session) -> int | None:
        """The bundle's number in the database; None where it has read nothing there."""
        found = project_bundle.by_identity(session, self.identity)
        return None if found is None else found.id

    def engine_of(self, session: Session, bundle_id: int) -> Engine:
        """The engine of a bundle the database knows. Raises as :meth:`require` does."""
        self.require(session, bundle_id)
        return self.engine

    def require(self, session: Session, bundle_id: int) -> None:
        """See that this process runs a bundle the database knows.

        Raises :class:`~hemosight.service.errors.Refusal` where it is another one than this process has.
        """
        if bundle_id not in self._known:
            row = session.get(KnownBundle, bundle_id)
            self._known[bundle_id] = "" if row is None else row.sha256
        if self._known[bundle_id] != self.identity:
            row = session.get(KnownBundle, bundle_id)
            name = "unknown" if row is None else f"{row.name} {row.version}"
            raise Refusal(
                "bundle_not_here",
                expected=f"the bundle that the project is read with ({name})",
                came=f"{self.bundle.manifest.name} {self.bundle.manifest.version}",
                mend="Open the project on the page: its administrator can let this one read it. Or start the service "
                "with that bundle (--bundle).",
            )
