"""Columns for the page: typed arrays behind a JSON header, whole or as what changed since.

========  =====================================================================================
4 bytes   ``HSC1``
uint32    length of the header, little-endian
header    JSON: facts, and ``columns``: [{name, dtype, offset}], offsets from the first array
padding   to a multiple of eight
arrays    little-endian, each beginning at a multiple of eight
========  =====================================================================================
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemosight.service.desk.views import View

MAGIC = b"HSC1"
MEDIA_TYPE = "application/vnd.hemosight.columns"
BINARY: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        "description": "`HSC1`, the header's length, a JSON header, little-endian arrays; docs/reference/columns.md.",
    },
    304: {"description": "As the page has them."},
}
"""How the API describes such an answer."""
NO_CLASS, UNSURE_CLASS = 255, 254
"""Class numbers that are none: nothing there; somebody is unsure."""
_ALIGN = 8


def pack(header: Mapping[str, Any], columns: Mapping[str, NDArray]) -> bytes:
    """Arrays and facts in one body."""
    offset, listed, parts = 0, [], []
    for name, array in columns.items():
        data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        listed.append({"name": name, "dtype": array.dtype.name, "offset": offset})
        parts.append(data + bytes(-len(data) % _ALIGN))
        offset += len(parts[-1])
    text = json.dumps({**header, "columns": listed}, ensure_ascii=False, separators=(",", ":")).encode()
    head = MAGIC + struct.pack("<I", len(text)) + text
    return b"".join([head, bytes(-len(head) % _ALIGN), *parts])


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """What :func:`pack` packed; ``count`` in the header says how long the arrays are."""
    (length,) = struct.unpack_from("<I", body, 4)
    header = json.loads(body[8 : 8 + length])
    first = 8 + length + (-(8 + length) % _ALIGN)
    arrays = {
        column["name"]: np.frombuffer(
            body, np.dtype(column["dtype"]).newbyteorder("<"), header["count"], first + column["offset"]
        )
        for column in header["columns"]
    }
    return header, arrays


def tag(view: View) -> str:
    """What the whole columns are known by: equal where they are, in every process."""
    newest = int(view.version.max(initial=0))
    classes = zlib.crc32(json.dumps([view.question.title, view.question.classes], sort_keys=True).encode())
    return f'"{view.question.name}-{view.revision}-{view.taught}-{newest}-{len(view.ids)}-{classes}"'


def columns(view: View, cases: Sequence[Mapping[str, Any]] = (), since: int | None = None) -> bytes:
    """A project's columns; only the rows that changed where ``since`` is an earlier answer's ``revision``.

    Where the changes are not known any more, ``full`` in the header is true and all rows are there. A delta may hold
    rows that did not change; it leaves out cells of which only the probability moved, by less than
    :data:`~hemosight.service.desk.opinions.TOLERANCE`.
    """
    known = -1 if since is None else since
    full = known < view.floor
    rows = np.arange(len(view.ids)) if full else np.flatnonzero(view.stamp >= known)
    header = {
        "revision": view.revision,
        "taught": view.taught,
        "count": len(rows),
        "total": len(view.ids),
        "full": full,
        "label_set": view.question.name,
        "classes": list(view.question.classes),
        "cases": list(cases),
    }
    arrays = {
        "id": view.ids[rows].astype(np.float64),
        "version": view.version[rows].astype(np.float64),
        "probability": view.probability[rows],
        "margin": view.margin[rows],
        "novelty": view.novelty[rows],
        "x": view.x[rows],
        "y": view.y[rows],
        "case": view.case[rows].astype(np.int32),
        "labelled_by": view.by[rows].astype(np.int32),
        "predicted": (view.predicted[rows] % 256).astype(np.uint8),  # -1 is 255
        "label": (view.label[rows] % 256).astype(np.uint8),  # and -2 is 254
        "status": view.status[rows],
    }
    return pack(header, arrays)
