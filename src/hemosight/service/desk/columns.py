"""Columns for the page: typed arrays behind a JSON header, whole or as what changed since.

========  =====================================================================================
4 bytes   ``HSC1``
uint32    length of the header, little-endian
header    JSON: single values, and ``columns``: [{name, dtype, offset}], offsets from the first array
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

from hemosight.service.desk.snapshot import Snapshot
from hemosight.service.storage import class_facts
from hemosight.space.novelty import UNUSUAL

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
    """Arrays and single values in one body."""
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


def tag(snapshot: Snapshot) -> str:
    """What the whole columns are known by: equal where they are, in every process."""
    newest = int(snapshot.version.max(initial=0))
    classes = zlib.crc32(json.dumps([snapshot.spec.title, snapshot.spec.classes], sort_keys=True).encode())
    # Which cells are asked depends on another label set, whose labels and readings are not in the rest.
    asked = "" if snapshot.spec.asked_of is None else f"-{zlib.crc32(snapshot.asked.tobytes())}"
    # So does what is held back of the label sets that the bundle reads.
    held = f"-{zlib.crc32(snapshot.held_back.tobytes())}" if snapshot.held_back.any() else ""
    facts = (snapshot.event, snapshot.taught_until, newest, len(snapshot.ids), classes)
    return f'"{snapshot.spec.name}-{"-".join(map(str, facts))}{asked}{held}"'


def columns(snapshot: Snapshot, cases: Sequence[Mapping[str, Any]] = (), since: int | None = None) -> bytes:
    """A project's columns; only the rows that changed where ``since`` is an earlier answer's ``event``.

    Where the changes are not known any more, ``full`` in the header is true and all rows are there. A delta may hold
    rows that did not change; it leaves out cells of which only the probability moved, by less than
    :data:`~hemosight.service.desk.label_set_state.TOLERANCE`.
    """
    known = -1 if since is None else since
    full = known < snapshot.floor
    rows = np.arange(len(snapshot.ids)) if full else np.flatnonzero(snapshot.stamp >= known)
    header = {
        "event": snapshot.event,
        "taught_until": snapshot.taught_until,
        "count": len(rows),
        "total": len(snapshot.ids),
        "full": full,
        "label_set": snapshot.spec.name,
        "classes": class_facts.shown(snapshot.spec.classes, snapshot.spec.name),
        "title": snapshot.spec.title,
        "asked_of": snapshot.spec.asked_of,
        "cases": list(cases),
        "novelty_limit": UNUSUAL,
    }
    arrays = {
        "id": snapshot.ids[rows].astype(np.float64),
        "version": snapshot.version[rows].astype(np.float64),
        "probability": snapshot.probability[rows],
        "margin": snapshot.margin[rows],
        "novelty": snapshot.novelty[rows],
        "x": snapshot.x[rows],
        "y": snapshot.y[rows],
        "case": snapshot.case[rows].astype(np.int32),
        "labelled_by": snapshot.by[rows].astype(np.int32),
        "predicted": (snapshot.predicted[rows] % 256).astype(np.uint8),  # -1 is 255
        "label": (snapshot.label[rows] % 256).astype(np.uint8),  # and -2 is 254
        "status": snapshot.status[rows],
        "asked": snapshot.asked[rows].astype(np.uint8),
        "outside": snapshot.outside[rows].astype(np.uint8),
    }
    return pack(header, arrays)
