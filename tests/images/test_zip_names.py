"""Names in zips: as written, or a clear word that their encoding is unknown."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from hemosight.images.archive import unpack
from hemosight.images.zip_names import UNKNOWN, decoded, entry_name


def packed(raw: bytes, extra: bytes = b"") -> bytes:
    """A zip of one file whose name is these bytes, without the flag for UTF-8."""
    stand_in = b"@".ljust(len(raw), b"x")
    info = zipfile.ZipInfo(stand_in.decode())
    info.extra = extra
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(info, b"content")
    return memory.getvalue().replace(stand_in, raw)


def name_in(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return entry_name(archive.infolist()[0])


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("plain/cell 1.jpg", "ascii"),
        ("ohne flag/\u00dcbersicht.jpg", "utf-8"),
        ("\u55dc\u4e2d\u6027\u7c92\u7ec6\u80de/\u7ec6\u80de1.jpg", "gbk"),
        ("\u55dc\u4e2d\u6027.jpg", "utf-8"),
        ("Gr\u00f6\u00dfe.jpg", "cp437"),
        ("caf\u00e9.jpg", "cp850"),
        ("\u767d\u8840\u7403/\u597d\u4e2d\u7403.jpg", "cp932"),
        ("\u30ea\u30f3\u30d1\u7403.jpg", "cp932"),
        ("\u043b\u0438\u043c\u0444\u043e\u0446\u0438\u0442.jpg", "cp866"),
    ],
)
def test_names_are_as_their_maker_wrote_them(name: str, encoding: str) -> None:
    assert name_in(packed(name.encode(encoding))) == name


def test_the_flag_and_the_extra_field_are_believed() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("Mu\u0308ller.jpg", b"content")  # as a Mac stores it
    assert name_in(memory.getvalue()) == "M\u00fcller.jpg"
    raw, name = b"M?ller.jpg", "M\u00fcller.jpg".encode()
    body = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name
    assert name_in(packed(raw, struct.pack("<HH", 0x7075, len(body)) + body)) == "M\u00fcller.jpg"
    assert name_in(packed(b"N?ller.jpg", struct.pack("<HH", 0x7075, len(body)) + body)) == "N?ller.jpg"


def test_what_fits_none_or_several_is_called_unknown() -> None:
    found = decoded(b"folder/" + "\uac00\ub098\ub2e4".encode("euc-kr") + b".jpg")  # Korean or Chinese
    assert found == f"folder/{UNKNOWN}%B0%A1%B3%AA%B4%D9.jpg"
    assert decoded(b"\xff\xfe\xfd.jpg").startswith(UNKNOWN)


def test_an_archive_is_unpacked_under_these_names(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed("\u00dcbersicht.jpg".encode()))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["\u00dcbersicht.jpg"]
