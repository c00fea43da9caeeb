"""An exported encoder at work: crops in, points of the landscape out, without torch.

Threads take batches of crops from file to vector: while one decodes, another computes. A bounded number of batches is
under way at a time, so that a folder of any size passes through constant memory, and an unreadable file costs its own
row only.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemosight.engine import backend_choice, backends
from hemosight.engine.backends import AUTO, BATCH, REFERENCE, Backend, OnnxRuntime
from hemosight.errors import UnreadableImage
from hemosight.images import shortcut
from hemosight.images.catalog import Catalog, Progress, content_id
from hemosight.images.contrast import require_contrast
from hemosight.images.decode import Pixels, decode_cell, read_bytes
from hemosight.images.preprocess import Preprocessing
from hemosight.images.shortcut import Part
from hemosight.space.embeddings import Embeddings, EmbeddingSpace, Vectors

Crop = str | Path | bytes | Pixels
"""A cell crop: a path, a file's bytes, or decoded RGB (uint8, height x width x 3)."""

_AHEAD = 6
"""Batches that wait for a thread while every thread has one in hand."""
_SPARE = 2
"""Threads more than cores: one prepares the next batch while the others wait for the network."""
PATIENCE = 0.05
"""Seconds that a thread waits for its turn to prepare a batch. Of two that prepare small pictures at once each waits
for Python's lock at every call, and both take twice as long; large ones take long without that lock, and need not wait.
"""


@dataclass(frozen=True)
class CropEmbedding:
    """Where one crop lies, or why it could not be read.

    Parameters
    ----------
    id
        Content id of the bytes (of the pixels, where pixels were given); None when there were none to read.
    vector
        Unit vector, float32, shape (dimensions,); None when unreadable.
    fault
        What is wrong with the crop; None when it was read.
    """

    id: str | None
    vector: NDArray[np.float32] | None
    fault: UnreadableImage | None = None


class Network:
    """Runs an exported encoder on this machine's processor.

    Parameters
    ----------
    data
        The ONNX file's bytes (``hemosight.training.export`` says what they compute).
    preprocessing
        The road its pixels take.
    threads
        Processor threads; all cores where None.
    backend
        What computes the vectors (:mod:`hemosight.engine.backends`). ``auto`` is what was measured to be the quickest
        here, and the reference where nothing has been measured; heat maps always are the reference's. Who names the
        reference gets every picture decoded whole as well; otherwise one with pixels to spare is decoded coarsely.

    Attributes
    ----------
    bits
        Bits that hold the values of deep samples in files that do not say (:func:`hemosight.images.decode.decode`);
        None refuses those that leave doubt.
    """

    def __init__(
        self, data: bytes, preprocessing: Preprocessing, threads: int | None = None, backend: str = REFERENCE
    ) -> None:
        self.bits: int | None = None
        self.data = data
        self.preprocessing = preprocessing
        self.threads = threads or cores()
        self._asked = backend
        self._lock = threading.RLock()
        self._preparing = threading.Lock()
        self._made: dict[str, Backend] = {}
        self._chosen: str | None = None
        if backend not in (AUTO, REFERENCE):
            self._make(backend)  # who names one hears at once that it is not there

    @cached_property
    def space(self) -> EmbeddingSpace:
        """What its vectors can be compared with."""
        return EmbeddingSpace(hashlib.sha256(self.data).hexdigest(), self.preprocessing.hash)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._reference.dim

    @cached_property
    def surrogate(self) -> NDArray[np.float32] | None:
        """From the average of the last map, and a one, nearly to the vector before it is brought to unit length.

        (channels + 1) x dimensions; None where the vector is that average itself.
        """
        return self._reference.surrogate(self.preprocessing.size)

    @property
    def backend(self) -> Backend:
        """What computes the vectors now."""
        with self._lock:
            if self._chosen is None:
                known = backend_choice.remembered(self.data, self.threads) if self._asked == AUTO else None
                self._chosen = self._asked if self._asked != AUTO else REFERENCE if known is None else known.name
            try:
                return self._make(self._chosen)
            except Exception as fault:
                if self._asked != AUTO or self._chosen == REFERENCE:
                    raise
                backend_choice.fallen_back(self._chosen, fault)
                self._chosen = REFERENCE  # what was measured once is not there any more
                return self._make(REFERENCE)

    def choose(self, *, anew: bool = False) -> backend_choice.Choice | None:
        """Measure which backend is the quickest here, unless that is known, and read with it from now on.

        Takes a second or two, and what is found is kept for later processes. Nothing is measured, and None returned,
        where a backend was named. ``anew`` measures whatever is known.
        """
        if self._asked != AUTO:
            return None
        choice = None if anew else backend_choice.remembered(self.data, self.threads)
        if choice is None:
            choice = backend_choice.measure(self.data, self.preprocessing, self.threads)
            backend_choice.remember(choice, self.data, self.threads)
        with self._lock:
            self._chosen = choice.name
        return choice

    def vectors(self, pixels: Pixels) -> Vectors:
        """Prepared pixels (uint8, N x size x size x 3) -> unit vectors, N x dimensions."""
        return self.backend.vectors(pixels)

    def maps(self, pixels: Pixels) -> tuple[NDArray[np.float32], Vectors]:
        """Prepared pixels -> the last feature maps (N x channels x h x w) and the vectors."""
        return self._reference.maps(pixels)

    @property
    def _reference(self) -> OnnxRuntime:
        made = self._make(REFERENCE)
        assert isinstance(made, OnnxRuntime)  # noqa: S101 - what make says of this name
        return made

    def _make(self, name: str) -> Backend:
        with self._lock:
            if name not in self._made:
                self._made[name] = backends.make(name, self.data, self.threads)
            return self._made[name]

    def points(
        self,
        crops: Iterable[Crop],
        scale: float | Iterable[float] = 1.0,
        *,
        contrast: bool = True,
        bits: int | Iterable[int | None] | None = None,
    ) -> Generator[CropEmbedding]:
        """One point a crop, in order, as they are ready.

        ``scale`` resizes the source's pixels to the reference scale before anything else; one for all or one a crop.
        Decoded pixels that cannot show a stained cell are no crop, unless ``contrast`` is false. ``bits``, one
        for all or one a crop, are :attr:`bits` where not given.
        """
        depths = repeat(bits) if isinstance(bits, int | None) else bits
        source = zip(crops, repeat(scale) if isinstance(scale, float | int) else scale, depths, strict=False)
        backend = self.backend
        turn = threading.Semaphore(backend.streams)
        threads = self.threads + (_SPARE if self.threads > 1 else 0)
        # A few crops are shared out among the threads instead of going through one of them together.
        first = list(islice(source, self.threads * BATCH))
        size = min(BATCH, -(-len(first) // self.threads)) or BATCH
        source = chain(first, source)
        del first
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Future[list[CropEmbedding]]] = deque()

            def refill() -> None:
                while len(ahead) < threads + _AHEAD and (batch := list(islice(source, size))):
                    ahead.append(pool.submit(self._read, batch, contrast, backend, turn))

            try:
                refill()
                while ahead:
                    read = ahead.popleft().result()
                    refill()
                    yield from read
            finally:
                for waiting in ahead:
                    waiting.cancel()

    def points_of(self, catalog: Catalog, progress: Progress | None = None) -> list[CropEmbedding]:
        """One point a row of a catalog, in its order, each cell at its own source's pixel scale."""
        paths = catalog.paths
        how = list(catalog.table.select("scale", "bits").iter_rows())
        points: dict[int, CropEmbedding] = {}
        for scale, bits in sorted(set(how), key=str):
            rows = [row for row, value in enumerate(how) if value == (scale, bits)]
            for row, point in zip(rows, self.points((paths[row] for row in rows), scale, bits=bits), strict=True):
                points[row] = point
                if progress is not None:
                    progress(len(points), len(catalog))
        return [points[row] for row in range(len(catalog))]

    def embed(
        self, catalog: Catalog, progress: Progress | None = None
    ) -> tuple[Embeddings, dict[str, UnreadableImage]]:
        """The embeddings of a catalog's cells, each once and at its own source's pixel scale.

        Returns them in the catalog's order, and for each file that could not be read its path and what is wrong with
        it. ``progress`` is called with how many rows are done, and how many there are.
        """
        points = self.points_of(catalog, progress)
        read: dict[str, NDArray[np.float32]] = {}
        left_out: dict[str, UnreadableImage] = {}
        for cell, path, point in zip(catalog.ids, catalog.table["path"], points, strict=True):
            if point.vector is not None:
                read.setdefault(cell, point.vector)
            elif point.fault is not None:
                left_out[path] = point.fault
        vectors = np.stack(list(read.values())) if read else np.empty((0, self.dim), np.float32)
        return Embeddings(tuple(read), vectors, self.space), left_out

    def embed_crops(self, crops: Iterable[Crop], scale: float = 1.0) -> Embeddings:
        """All readable crops as embeddings; raises at the first unreadable one.

        Decoded pixels are taken as they are: a study may have darkened them, or cut the cell out.
        """
        points = list(self.points(crops, scale, contrast=False))
        for point in points:
            if point.fault is not None:
                raise point.fault
        vectors = [point.vector for point in points if point.vector is not None]
        stacked = np.stack(vectors) if vectors else np.empty((0, self.dim), np.float32)
        return Embeddings(tuple(str(point.id) for point in points), stacked, self.space)

    def open(self, crop: Crop) -> Pixels:
        """A crop's own pixels; raises :class:`~hemosight.errors.UnreadableImage`."""
        if isinstance(crop, np.ndarray):
            return _checked(crop)
        return decode_cell(crop if isinstance(crop, bytes) else read_bytes(crop), self.bits)

    def prepare(
        self, crop: Crop, scale: float, contrast: bool, bits: int | None
    ) -> tuple[str | None, Pixels | Part | UnreadableImage]:
        """A crop's content id, and what the network takes of it or why it cannot be read.

        Parameters as for :meth:`points`. Decoded pixels, and all crops where the reference reads, take the road
        (:class:`~hemosight.images.preprocess.Preprocessing`), others :mod:`the shortcut <hemosight.images.shortcut>`.
        """
        identity = None
        try:
            if isinstance(crop, np.ndarray):
                identity = content_id(np.ascontiguousarray(crop).tobytes())
                return identity, self.preprocessing(_checked(crop, contrast), scale)
            data = crop if isinstance(crop, bytes) else read_bytes(crop)
            identity = content_id(data)
            deep = self.bits if bits is None else bits
            if self._asked != REFERENCE:
                return identity, shortcut.prepare(data, self.preprocessing, scale, deep)
            return identity, self.preprocessing(decode_cell(data, deep), scale)
        except UnreadableImage as fault:
            return identity, fault

    def _read(
        self, batch: list[tuple[Crop, float, int | None]], contrast: bool, backend: Backend, turn: threading.Semaphore
    ) -> list[CropEmbedding]:
        alone = self._preparing.acquire(timeout=PATIENCE)
        try:
            prepared = [self.prepare(crop, scale, contrast, bits) for crop, scale, bits in batch]
        finally:
            if alone:
                self._preparing.release()
        ready = [one for _, one in prepared if not isinstance(one, UnreadableImage)]
        parts = [one for one in ready if isinstance(one, Part)]
        if backend.enlarges and len(parts) == len(ready) == BATCH:
            with turn:
                vectors = iter(backend.vectors_of_parts(parts))
        else:
            pixels = [one.square() if isinstance(one, Part) else one for one in ready]
            with turn:
                vectors = iter(backend.vectors(np.stack(pixels)) if pixels else ())
        return [
            CropEmbedding(identity, None, one)
            if isinstance(one, UnreadableImage)
            else CropEmbedding(identity, next(vectors))
            for identity, one in prepared
        ]


def _checked(pixels: Pixels, contrast: bool = True) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise UnreadableImage(reason=f"an array of {pixels.dtype}, shape {pixels.shape}, not uint8 height x width x 3")
    if contrast:
        require_contrast(pixels)
    return pixels


def cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
