"""Files of a multipart request, one after another as they arrive: a request of any size passes in constant memory.

Starlette's own parser (``UploadFile``) takes in a whole form before it calls the route: a request of 2,000 crops would
lie on the disk as a whole before the first is stored, and one that breaks off would have stored none. Here files are
stored, and workers read them, while the rest is still being sent. The parsing itself is python-multipart's, as in
Starlette.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from hemosight.service.errors import Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_IN_MEMORY = 1 << 20
"""Bytes of a file that are kept in memory; a larger one goes to a temporary file."""
_OTHERS = 100
"""Parts of a form besides its files: empty ones by the million would keep the parser busy."""

Part = tuple[str, IO[bytes]]
"""A file's name, with folders where the browser sent them, and its content, at its beginning."""


async def files(request: Request, *, field: str, most: int) -> AsyncIterator[tuple[list[Part], bool]]:
    """The files of a form field, in groups as they come from the network, and whether the whole form has come.

    Each file must be closed by the caller.

    Parameters
    ----------
    field
        Name of the form field; other fields are passed over.
    most
        Number of files a request may have.

    Raises
    ------
    Refusal
        ``bad_form`` for a request that is no multipart form, or a damaged one; ``too_much`` for more files than
        ``most``.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise _bad_form(f"a body of type {kind.decode('latin-1') or 'nothing'}")
    gathering = _Gathering(field, most)
    try:
        parser = MultipartParser(boundary, gathering.callbacks())
        async for piece in request.stream():
            if piece:
                parser.write(piece)
            if gathering.ready:
                ready, gathering.ready = gathering.ready, []
                yield ready, gathering.ended
            if gathering.ended:
                # What follows the last boundary is nobody's; whoever waits for the end of the request would not hear
                # that the other side has left.
                break
        parser.finalize()
    except FormParserError as error:
        raise _bad_form(f"a damaged form ({error})") from error
    finally:
        gathering.close()
    if not gathering.ended:
        raise _bad_form("a form that ends in the middle")


def _bad_form(came: str) -> Refusal:
    return Refusal(
        "bad_form",
        expected="a multipart/form-data body with files in the field `files`",
        came=came,
        mend="Send the files as a browser's form does.",
    )


class _Gathering:
    """Collects what the parser finds."""

    def __init__(self, field: str, most: int) -> None:
        self.ready: list[Part] = []
        self.ended = False
        self._field = field
        self._most = most
        self._count = self._parts = 0
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._filename = ""
        self._file: IO[bytes] | None = None

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def close(self) -> None:
        """Close the files that nobody took."""
        for _, file in self.ready:
            file.close()
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._most + _OTHERS:
            raise self._too_many()
        self._headers = {}
        self._name = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name", b"").decode("utf-8", "replace") != self._field or b"filename" not in options:
            return
        self._count += 1
        if self._count > self._most:
            raise self._too_many()
        self._filename = options[b"filename"].decode("utf-8", "replace")
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- whoever takes it closes it

    def _too_many(self) -> Refusal:
        return Refusal(
            "too_much",
            expected=f"at most {self._most:,} files in one request",
            came="more",
            mend="Send less at a time.",
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        if self._file is not None:
            self._file.seek(0)
            self.ready.append((self._filename, self._file))
            self._file = None

    def _all(self) -> None:
        self.ended = True
