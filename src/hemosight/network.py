"""An exported encoder at work: crops in, points of the landscape out, without torch.

Decoding runs in threads ahead of the network, a bounded window at a time, so that a folder of any size passes
through constant memory and an unreadable file costs its own row only.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hemosight.errors import UnreadableImage
from hemosight.images.catalog import Catalog, Progress, content_id
from hemosight.images.preprocess import Pixels, Preprocessing, decode, read_bytes
from hemosight.space.embeddings import Embeddings, Space, Vectors

Crop = str | Path | bytes | Pixels
"""A cell crop: a path, a file's bytes, or decoded RGB (uint8, height x width x 3)."""

BATCH = 16
"""Crops the network takes at once; more of them gain nothing (`hemosight benchmark`)."""


@dataclass(frozen=True)
class Point:
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
        The ONNX file's bytes (``hemosight.encoder.export`` says what they compute).
    preprocessing
        The road its pixels take.
    threads
        Processor threads; all cores where None.
    """

    def __init__(self, data: bytes, preprocessing: Preprocessing, threads: int | None = None) -> None:
        self.data = data
        self.preprocessing = preprocessing
        self.threads = threads or cores()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        # Threads that spin between batches take the cores from those that decode the next one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    @cached_property
    def space(self) -> Space:
        """What its vectors can be compared with."""
        return Space(hashlib.sha256(self.data).hexdigest(), self.preprocessing.hash)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._session.get_outputs()[1].shape[1])

    @cached_property
    def surrogate(self) -> NDArray[np.float32] | None:
        """From the average of the last map, and a one, nearly to the vector before it is brought to unit length.

        (channels + 1) x dimensions; None where the vector is that average itself.
        """
        if "surrogate" not in [output.name for output in self._session.get_outputs()]:
            return None
        nothing = np.zeros((1, self.preprocessing.size, self.preprocessing.size, 3), np.uint8)
        return np.asarray(self._session.run(["surrogate"], {"pixels": nothing})[0])

    def vectors(self, pixels: Pixels) -> Vectors:
        """Prepared pixels (uint8, N x size x size x 3) -> unit vectors, N x dimensions."""
        return np.asarray(self._session.run(["embedding"], {"pixels": pixels})[0])

    def maps(self, pixels: Pixels) -> tuple[NDArray[np.float32], Vectors]:
        """Prepared pixels -> the last feature maps (N x channels x h x w) and the vectors."""
        features, vectors = self._session.run(["features", "embedding"], {"pixels": pixels})
        return np.asarray(features), np.asarray(vectors)

    def points(self, crops: Iterable[Crop], scale: float = 1.0) -> Generator[Point]:
        """One point a crop, in order, as they are ready.

        ``scale`` resizes the source's pixels to the reference scale before anything else.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            source = iter(crops)
            ahead: deque[Future[tuple[str | None, Pixels | UnreadableImage]]] = deque()

            def refill() -> None:
                for crop in islice(source, 4 * BATCH - len(ahead)):
                    ahead.append(pool.submit(self._prepare, crop, scale))

            refill()
            while ahead:
                batch = [ahead.popleft().result() for _ in range(min(BATCH, len(ahead)))]
                refill()
                yield from self._embed(batch)

    def points_of(self, catalog: Catalog, progress: Progress | None = None) -> list[Point]:
        """One point a row of a catalog, in its order, each cell at its own source's pixel scale."""
        scales, paths = catalog.table["scale"].to_list(), catalog.paths
        points: dict[int, Point] = {}
        for scale in sorted(set(scales)):
            rows = [row for row, value in enumerate(scales) if value == scale]
            for row, point in zip(rows, self.points((paths[row] for row in rows), scale), strict=True):
                points[row] = point
                if progress is not None:
                    progress(len(points), len(catalog))
        return [points[row] for row in range(len(catalog))]

    def embed(self, crops: Iterable[Crop], scale: float = 1.0) -> Embeddings:
        """All readable crops as embeddings; raises at the first unreadable one."""
        points = list(self.points(crops, scale))
        for point in points:
            if point.fault is not None:
                raise point.fault
        vectors = [point.vector for point in points if point.vector is not None]
        stacked = np.stack(vectors) if vectors else np.empty((0, self.dim), np.float32)
        return Embeddings(tuple(str(point.id) for point in points), stacked, self.space)

    @staticmethod
    def open(crop: Crop) -> Pixels:
        """A crop's own pixels; raises :class:`~hemosight.errors.UnreadableImage`."""
        if isinstance(crop, np.ndarray):
            return _checked(crop)
        return decode(crop if isinstance(crop, bytes) else read_bytes(crop))

    def _prepare(self, crop: Crop, scale: float) -> tuple[str | None, Pixels | UnreadableImage]:
        identity = None
        try:
            if isinstance(crop, np.ndarray):
                identity = content_id(np.ascontiguousarray(crop).tobytes())
                return identity, self.preprocessing(_checked(crop), scale)
            data = crop if isinstance(crop, bytes) else read_bytes(crop)
            identity = content_id(data)
            return identity, self.preprocessing(decode(data), scale)
        except UnreadableImage as fault:
            return identity, fault

    def _embed(self, batch: list[tuple[str | None, Pixels | UnreadableImage]]) -> Iterator[Point]:
        pixels = [prepared for _, prepared in batch if not isinstance(prepared, UnreadableImage)]
        vectors = iter(self.vectors(np.stack(pixels)) if pixels else ())
        for identity, prepared in batch:
            if isinstance(prepared, UnreadableImage):
                yield Point(identity, None, prepared)
            else:
                yield Point(identity, next(vectors))


def _checked(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnreadableImage(reason=f"an array of {pixels.dtype}, shape {pixels.shape}, not uint8 height x width x 3")
    return pixels


def cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
