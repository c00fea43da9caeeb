from __future__ import annotations

import io
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from hemosight.errors import BadFile, NotEnoughSpace
from hemosight.images import archive
from hemosight.images.archive import NoArchive, unpack


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for info, data in members:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_unpacks_without_its_outer_folder(tmp_path: Path, kind: str):
    files = {"set/a/1.jpg": b"one", "set/b/2.jpg": b"two", "__MACOSX/set/._1.jpg": b"litter"}
    told: list[tuple[int, int]] = []
    if kind == "zip":
        path = zipped(tmp_path / "set.zip", files)
    else:
        path = tarred(tmp_path / "set.tgz", *((tarfile.TarInfo(name), data) for name, data in files.items()))
    unpack(path, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert contents(tmp_path / "out") == {"a/1.jpg": b"one", "b/2.jpg": b"two"}
    assert told == [(3, 6), (6, 6)]
    assert {path.name for path in tmp_path.iterdir()} == {path.name, "out"}


def test_names_that_differ_by_how_an_accent_is_written_stay_two_files(tmp_path: Path):
    path = tmp_path / "set.zip"
    apart, one, other = "cafe\u0301/a.png", "caf\u00e9/a.png", "noe\u0308l/b.png"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (apart, one, other):
            archive.writestr(name, name)
    unpack(path, tmp_path / "to")
    found = {str(file.relative_to(tmp_path / "to")): file.read_text() for file in (tmp_path / "to").rglob("*.png")}
    assert found == {apart: apart, one: one, "no\u00ebl/b.png": other}


def test_folders_side_by_side_stay(tmp_path: Path):
    unpack(zipped(tmp_path / "set.zip", {"a/1.jpg": b"one", "b/2.jpg": b"two"}), tmp_path / "out")
    assert contents(tmp_path / "out") == {"a/1.jpg": b"one", "b/2.jpg": b"two"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil", "C:/evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nothing_is_written_outside(tmp_path: Path, name: str, kind: str):
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    if kind == "zip":
        path = zipped(inner / "x.zip", {"good": b"1", name: b"evil"})
    else:
        path = tarred(inner / "x.tar", (tarfile.TarInfo("good"), b"1"), (tarfile.TarInfo(name), b"evil"))
    with pytest.raises(BadFile, match="outside its folder"):
        unpack(path, inner / "out")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert not (inner / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, kind: bytes):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(BadFile, match="link or device"):
        unpack(tarred(tmp_path / "x.tar", (info, b"")), tmp_path / "out")


def test_links_and_locked_files_in_zip_are_refused(tmp_path: Path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(BadFile, match="link or device"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    data = bytearray(zipped(tmp_path / "y.zip", {"a": b"locked"}).read_bytes())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, central + 8, 1)  # general purpose flag: encrypted
    (tmp_path / "y.zip").write_bytes(data)
    with pytest.raises(BadFile, match="encrypted"):
        unpack(tmp_path / "y.zip", tmp_path / "out")


def test_a_bomb_is_refused_before_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "SMALL", 1 << 16)
    path = zipped(tmp_path / "bomb.zip", {"zeros": bytes(20 << 20)})
    with pytest.raises(BadFile, match="packed into"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    # The same amount of what does not shrink is welcome.
    stored = zipped(tmp_path / "stored.zip", {"zeros": bytes(1 << 20)}, zipfile.ZIP_STORED)
    unpack(stored, tmp_path / "out")
    assert (tmp_path / "out" / "zeros").stat().st_size == 1 << 20


def test_a_header_that_lies_about_its_size_is_caught_while_unpacking(tmp_path: Path):
    data = bytearray(zipped(tmp_path / "x.zip", {"zeros": bytes(5 << 20)}).read_bytes())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 10)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises((BadFile, NoArchive)):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_is_named_and_leaves_nothing(tmp_path: Path):
    whole = zipped(tmp_path / "x.zip", {"a": b"content " * 1000, "b": b"more"}).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole.replace(whole[40:60], bytes(20)))
    with pytest.raises(NoArchive, match="damaged"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    for content, says in ((b"<html><body>", "web page"), (b"", "empty file"), (b"\1\2\3", "neither zip nor tar")):
        (tmp_path / "page").write_bytes(content)
        with pytest.raises(NoArchive, match=says):
            unpack(tmp_path / "page", tmp_path / "out")
    with pytest.raises(NoArchive, match="as file and as folder"):
        unpack(zipped(tmp_path / "z.zip", {"a": b"1", "a/b": b"2"}), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"x.zip", "page", "z.zip"}


def test_what_lies_there_already_is_not_replaced(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"precious")
    with pytest.raises(OSError, match="not empty"):
        unpack(zipped(tmp_path / "x.zip", {"a": b"1"}), tmp_path / "out")
    assert contents(tmp_path / "out") == {"mine": b"precious"}


def test_a_full_disk_is_noticed_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage._replace(free=3))
    with pytest.raises(NotEnoughSpace):
        unpack(zipped(tmp_path / "x.zip", {"a": b"1234"}), tmp_path / "out")
