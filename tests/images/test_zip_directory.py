"""A zip's directory is measured before it is read."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from hemosight.errors import BadFile
from hemosight.images import archive, zip_directory
from hemosight.images.archive import unpack
from hemosight.images.zip_directory import excess


def packed(entries: int, comment: bytes = b"", extra: bytes = b"") -> bytes:
    """A zip of so many small files."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        for number in range(entries):
            info = zipfile.ZipInfo(f"{number:05d}.jpg")
            info.extra = extra
            made.writestr(info, b"x")
        made.comment = comment
    return memory.getvalue()


def as_zip64(data: bytes) -> bytes:
    """The same archive with an end as large archives have it, and a plain end that says nothing."""
    place = data.rindex(b"PK\5\6")
    entries, size, start = struct.unpack_from("<HII", data, place + 10)
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, start)
    end += struct.pack("<4sIQI", b"PK\6\7", 0, place, 1)
    end += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:place] + end


SHAPES = {
    "plain": packed(30),
    "with a comment": packed(30, b"a comment that holds PK and more" * 20),
    "zip64": as_zip64(packed(30)),
    "behind a program": b"MZ" + bytes(500) + packed(30),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_entries_are_counted_wherever_the_directory_lies(shape: str) -> None:
    data = SHAPES[shape]
    assert len(zipfile.ZipFile(io.BytesIO(data)).infolist()) == 30, "the library reads it"
    assert excess(io.BytesIO(data), 30) == ""
    assert excess(io.BytesIO(data), 29) == "more than 29 entries"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_end_that_lies_about_their_number_changes_nothing(shape: str) -> None:
    data = bytearray(SHAPES[shape])
    for mark, place in ((b"PK\5\6", 8), (b"PK\6\6", 24)):
        if (at := data.rfind(mark)) >= 0 and (shape == "zip64") == (mark == b"PK\6\6"):
            struct.pack_into("<2H" if mark == b"PK\5\6" else "<2Q", data, at + place, 1, 1)
    assert excess(io.BytesIO(bytes(data)), 30) == ""
    assert excess(io.BytesIO(bytes(data)), 29) == "more than 29 entries"


class Counted(io.BytesIO):
    """A file that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("large", [False, True])
def test_a_directory_that_is_too_large_is_not_read(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(2000, extra=struct.pack("<HH", 0xCAFE, 996) + bytes(996))
    monkeypatch.setattr(zip_directory, "MOST_BYTES", 1_000_000)
    file = Counted(as_zip64(data) if large else data)
    assert "a directory of 2 MB, of which at most 1 are read" in excess(file, 10**9)
    assert file.taken < 100_000, "the end alone"
    assert file.tell() == 0


NONE = (b"", b"PK", b"PK\3\4 no directory", b"PK\5\6", packed(3)[:-5], b"PK\5\6" + b"\xff" * 18)


@pytest.mark.parametrize("data", NONE)
def test_what_has_no_directory_is_left_to_the_library(data: bytes) -> None:
    assert excess(io.BytesIO(data), 10) in ("", "a directory of 4,295 MB, of which at most 67 are read")


def test_an_archive_of_too_many_entries_is_refused_before_the_library_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.zip").write_bytes(packed(30))
    monkeypatch.setattr(archive, "MEMBERS", 29)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    with pytest.raises(BadFile, match="more than 29 entries"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
