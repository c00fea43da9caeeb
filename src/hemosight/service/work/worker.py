"""What a worker does with a job: it embeds the images with its bundle, stores the embeddings, tells the browsers.

Any number of workers may run, on any machine that reaches the database. A worker may be killed at any moment: what it
had not stored is embedded by another within seconds, and what it had stored is not embedded again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
import structlog
from sqlalchemy.exc import DBAPIError

from hemosight.engine.engine import Engine
from hemosight.engine.network import CropEmbedding
from hemosight.engine.readings import OK
from hemosight.errors import HemoSightError
from hemosight.service.storage import embeddings, events
from hemosight.service.storage.database import Database
from hemosight.service.storage.embeddings import StoredEmbedding, Unembedded
from hemosight.service.storage.live_events import ReadingsEvent
from hemosight.service.work import jobs, scales
from hemosight.service.work.heartbeat import Heartbeat

log = structlog.get_logger()

ATTEMPTS = 3
"""How often an image may end its worker before it counts as unreadable."""


class EmbeddingWorker:
    """Embeds the images of a job, and stores the embeddings.

    Parameters
    ----------
    database, engine
        Where images and embeddings lie, and the network, novelty and landscape of a bundle.
    bundle_id
        The number by which the database knows the engine's bundle.
    name
        Stored with every embedding.
    heartbeat
        Told of what may hang.
    """

    def __init__(
        self, database: Database, engine: Engine, bundle_id: int, name: str, heartbeat: Heartbeat | None = None
    ) -> None:
        self._database = database
        self._engine = engine
        self._bundle = bundle_id
        self.name = name
        self.heartbeat = heartbeat or Heartbeat()
        self._done: deque[tuple[float, int]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def read(self, project_id: int, images: Sequence[int], *, again: bool = False) -> int:
        """Embed those of some images that have no embedding. Returns how many were stored.

        The images go through the network together. Where that fails, or a job comes ``again`` because its worker
        died over it, they go one by one, and an image that ends its worker :data:`ATTEMPTS` times is stored
        as unreadable.
        """
        with self._database.session() as session:
            todo = embeddings.unembedded(session, project_id, self._bundle, images)
        if not todo:
            return 0
        if not again:
            try:
                return self._store(project_id, self.embed(todo))
            except (DBAPIError, HemoSightError):
                raise
            except Exception as error:  # one of the images, and no decoder foresaw it: find out which
                log.warning("batch_failed", project=project_id, kind=type(error).__name__)
        return sum(self._alone(project_id, image, again) for image in todo)

    def rate(self, seconds: float = 30.0) -> float:
        """Images embedded a second, over the last ``seconds``."""
        since = time.monotonic() - seconds
        with self._lock:
            return sum(count for at, count in self._done if at > since) / seconds

    def _alone(self, project_id: int, image: Unembedded, again: bool) -> int:
        if again:
            with self._database.session() as session:
                attempts = embeddings.begin_attempt(session, image.id, self._bundle)
            if attempts > ATTEMPTS:
                log.error("image_given_up", project=project_id, image=image.id, attempts=ATTEMPTS)
                why = f"reading it ended the worker {ATTEMPTS} times"
                return self._store(project_id, [StoredEmbedding(image.id, None, why)])
        try:
            read = self.embed([image])
        except (DBAPIError, HemoSightError):
            raise
        except Exception as error:
            log.warning("image_failed", project=project_id, image=image.id, kind=type(error).__name__)
            read = [StoredEmbedding(image.id, None, f"reading it failed ({type(error).__name__})")]
        return self._store(project_id, read)

    def embed(self, todo: Sequence[Unembedded]) -> list[StoredEmbedding]:
        """Embed images of one project: vector, novelty and position of each, or why it cannot be read."""
        scales, bits = [image.scale for image in todo], [image.bits for image in todo]
        with self.heartbeat.at_work():
            points = list(self._engine.network.points((image.data for image in todo), scales, bits=bits))
        vectors = [point.vector for point in points if point.vector is not None]
        if not vectors:
            return [_unreadable(image, point) for image, point in zip(todo, points, strict=True)]
        around = self._engine.surveyor.look(np.stack(vectors))
        places = [(None, None)] * len(vectors) if around.places is None else around.places.tolist()
        read = iter(zip(vectors, around.novelties.tolist(), places, strict=True))
        stored = []
        for image, point in zip(todo, points, strict=True):
            if point.vector is None:
                stored.append(_unreadable(image, point))
            else:
                vector, novelty, place = next(read)
                stored.append(StoredEmbedding(image.id, vector, OK, novelty, *place, scale=image.scale))
        return stored

    def _store(self, project_id: int, read: Sequence[StoredEmbedding]) -> int:
        with self._database.session() as session:
            new = embeddings.add(session, project_id, self._bundle, self.name, read)
            embeddings.end_attempts(session, self._bundle, [row.id for row in read])
            if new:
                waiting = jobs.unread(session, project_id, self._bundle)
                events.tell(session, project_id, ReadingsEvent(read=len(new), waiting=waiting, images=new))
            else:
                waiting = 1
        with self._lock:
            self._done.append((time.monotonic(), len(new)))
        if not waiting:
            self._measure(project_id)
        return len(new)

    def _measure(self, project_id: int) -> None:
        """Measure new scanners; what goes wrong there is no fault of the cells that were read."""
        try:
            scales.of_new_profiles(self._database, project_id, self._bundle)
        except (DBAPIError, HemoSightError):
            raise
        except Exception as error:
            log.warning("measuring_failed", project=project_id, kind=type(error).__name__)


def _unreadable(image: Unembedded, point: CropEmbedding) -> StoredEmbedding:
    return StoredEmbedding(image.id, None, str(point.fault), scale=image.scale)
