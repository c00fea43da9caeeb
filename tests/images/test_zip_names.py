"""Names in zips: as written, or a clear word that their encoding is unknown."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from hemosight.images.archive import unpack
from hemosight.images.zip_names import UNKNOWN, all_utf8, decoded, entry_name


def packed_all(*raws: bytes) -> bytes:
    """A zip of several files whose names are these bytes, without the flag for UTF-8."""
    memory, stand_ins = io.BytesIO(), [f"@{k}".ljust(len(raw), "x").encode() for k, raw in enumerate(raws)]
    with zipfile.ZipFile(memory, "w") as archive:
        for stand_in in stand_ins:
            archive.writestr(stand_in.decode(), b"content")
    data = memory.getvalue()
    for stand_in, raw in zip(stand_ins, raws, strict=True):
        data = data.replace(stand_in, raw)
    return data


def packed(raw: bytes, extra: bytes = b"") -> bytes:
    """A zip of one file whose name is these bytes, without the flag for UTF-8."""
    stand_in = b"@".ljust(len(raw), b"x")
    info = zipfile.ZipInfo(stand_in.decode())
    info.extra = extra
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(info, b"content")
    return memory.getvalue().replace(stand_in, raw)


def names_in(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        utf8 = all_utf8(archive.infolist())
        return [entry_name(info, utf8=utf8) for info in archive.infolist()]


def name_in(data: bytes) -> str:
    return names_in(data)[0]


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
        ("\u5358\u7403/1.jpg", "cp932"),
        ("\u597d\u9178\u7403/1.jpg", "cp932"),
        ("\u5c71\u7530/1.jpg", "cp932"),
        ("\u7d30\u80de.jpg", "cp932"),
        ("\u738b\u82b3/1.jpg", "gbk"),
        ("\u539f\u59cb\u7ec6\u80de\uff08\uff11\uff09.jpg", "gbk"),
        ("\u00dcbersicht.jpg", "cp1252"),
        ("Gr\u00f6\u00dfe.jpg", "cp1252"),
        ("S\u00e3o Paulo.jpg", "cp850"),
        ("\u00e9osinophile.jpg", "cp850"),
        ("\u0411\u041b\u0410\u0421\u0422/1.jpg", "cp866"),
        ("\u041c\u043e\u043d\u043e\u0446\u0438\u0442.jpg", "cp866"),
        ("\u043d\u0435\u0439\u0442\u0440\u043e\u0444\u0438\u043b.jpg", "cp1251"),
        ("\u043b\u0438\u043c\u0444\u043e\u0446\u0438\u0442.jpg", "cp866"),
        ("\u039f\u03c5\u03b4\u03b5\u03c4\u03b5\u03c1\u03cc\u03c6\u03b9\u03bb\u03bf.jpg", "cp737"),
        ("\u039b\u03b5\u03bc\u03c6\u03bf\u03ba\u03cd\u03c4\u03c4\u03b1\u03c1\u03bf/1.jpg", "cp737"),
        ("\u03ba\u03bb\u03ac\u03c3\u03b7.jpg", "cp737"),
        ("Pr\xf3bka.jpg", "cp1250"),
        ("Zelle f\xfcr.jpg", "cp1250"),
        ("l\u0105stel\u0117 1.jpg", "cp775"),
        ("caf\xe9.jpg", "cp1252"),
        ("\u8840.jpg", "utf-8"),
        ("\uc138\ud3ec.jpg", "utf-8"),
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


AS_PACKED = {
    "cp932": [
        "\u8840/1.jpg",
        "\u7403.jpg",
        "\u4e2d/1.jpg",
        "\uff98\uff9d\uff8a\uff9f/1.jpg",
        "\uff79\uff82.jpg",
    ],
    "gbk": [
        "\u8840/1.jpg",
        "\u4e2d/1.jpg",
        "\u5e7c\u7a1a.jpg",
        "\u5355\u6838/1.jpg",
    ],
    "cp949": [
        "\ud638\uc911\uad6c/1.jpg",
        "\ub9bc\ud504\uad6c.jpg",
        "\uc138\ud3ec.jpg",
    ],
    "big5": [
        "\u8840/1.jpg",
        "\u7d30\u80de.jpg",
        "\u6dcb\u5df4\u7403/1.jpg",
        "\u55dc\u4e2d\u6027\u7403.jpg",
    ],
    "cp852": [
        "\u0141\xf3d\u017a/1.jpg",
        "\u017elu\u0165ou\u010dk\xfd.jpg",
        "\u0159\xedz.jpg",
    ],
    "cp857": [
        "N\xf6trofil \u0131\u015f\u0131k.jpg",
        "\u0130stanbul.jpg",
        "\u015eube.jpg",
    ],
    "cp1252": [
        "\xe9osinophile.jpg",
        "caf\xe9.jpg",
        "Zelle f\xfcr.jpg",
        "S\xe3o.jpg",
        "\xd1u\xf1oa.jpg",
        "\xe5r.jpg",
        "l\xe8vre.jpg",
    ],
    "cp1251": [
        "\u041b\u0438\u043c\u0444\u043e\u0446\u0438\u0442.jpg",
        "\u042f/1.jpg",
        "\u041e\u041b\u041b.jpg",
    ],
    "cp737": [
        "\u039f\u03c5\u03b4\u03b5\u03c4\u03b5\u03c1\u03cc\u03c6\u03b9\u03bb\u03bf.jpg",
        "\u0391\u03af\u03bc\u03b1.jpg",
        "\u03bb\u03b5\u03c5\u03ba\u03ac.jpg",
        "\u03ba\u03cd\u03c4\u03c4\u03b1\u03c1\u03b1/1.jpg",
        "\u03b4\u03b5\u03af\u03b3\u03bc\u03b1 1.jpg",
        "\u0391\u0399\u039c\u0391.jpg",
        "\u03ba\u03b1\u03b9.jpg",
        "\u03c0\u03b9\u03bf.jpg",
        "\u03b9\u03cc\u03c2.jpg",
        "\u03c1\u03bf\u03ae.jpg",
        "\u03af\u03bd\u03b1.jpg",
        "\u03c4\u03b5\u03c3\u03c4.jpg",
    ],
    "cp1253": [
        "\u0391\u03af\u03bc\u03b1.jpg",
        "\u03bc\u03bf\u03bd\u03bf\u03ba\u03cd\u03c4\u03c4\u03b1\u03c1\u03bf.jpg",
        "\u03bb\u03b5\u03c5\u03ba\u03ac.jpg",
        "\u0391\u0399\u039c\u0391.jpg",
    ],
    "cp1250": [
        "Ko\u010dka.jpg",
        "lymfocyt \u010d. 1.jpg",
        "\u017elu\u0165ou\u010dk\xfd k\u016f\u0148.jpg",
        "Pr\xf3bka.jpg",
        "\u0141\xf3d\u017a/1.jpg",
        "zdj\u0119cie.jpg",
        "\u0151ssejt.jpg",
        "f\u0171t\xe9s.jpg",
        "\u010cE\u0160I.jpg",
        "\u010d.jpg",
        "Zelle f\xfcr.jpg",
    ],
    "cp1254": [
        "K\u0131rm\u0131z\u0131.jpg",
        "\u015fube.jpg",
        "N\xf6trofil.jpg",
    ],
    "cp775": [
        "leikoc\u012bts.jpg",
        "leikoc\u012bti/1.jpg",
        "b\u0113rns.jpg",
        "limfoc\u012btas.jpg",
        "\u012fra\u0161as.jpg",
        "l\u0105stel\u0117 1.jpg",
        "m\u00e4rgistus.jpg",
        "\u0160\u016bna.jpg",
    ],
    "cp1257": [
        "l\u0105stel\u0117.jpg",
        "asins\u0161\u016bnas.jpg",
    ],
    "cp866": [
        "\u0442\u0430\u043a.jpg",
        "\u0440\u0430\u043a.jpg",
        "\u043d\u043e\u0440\u043c\u0430.jpg",
        "\u041f\u0430\u0446\u0438\u0435\u043d\u0442 1.jpg",
    ],
    "euc-jp": [
        "\u597d\u4e2d\u7403.jpg",
    ],
}


@pytest.mark.parametrize(("name", "encoding"), [(name, code) for code, names in AS_PACKED.items() for name in names])
def test_a_name_is_right_or_said_to_be_unknown(name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    found = decoded(raw)
    assert found == name or UNKNOWN in found
    assert name_in(packed(raw)) == found, "alone in its archive, too"
    if UNKNOWN in found:  # nothing of it is lost
        plain = re.sub(r"%([0-9A-F]{2})", lambda at: chr(int(at[1], 16)), found.replace(UNKNOWN, ""))
        assert plain.encode("latin-1") == raw


@pytest.mark.parametrize("name", ["é", "ü", "É 1", "Ä/1", "ñ", "š", "ž", "ł", "ж", "Я", "α", "œ", "ğ"])  # noqa: RUF001
def test_one_letter_in_utf8_is_read_where_no_other_name_speaks_against_it(name: str) -> None:
    assert names_in(packed_all(f"{name}.jpg".encode())) == [f"{name}.jpg"]
    assert names_in(packed_all(f"{name}.jpg".encode(), b"a.jpg", "Größe.jpg".encode())) == [
        f"{name}.jpg",
        "a.jpg",
        "Größe.jpg",
    ]


def test_a_name_that_is_no_utf8_speaks_against_it(tmp_path: Path) -> None:
    cat, other = "猫.jpg", "嗜中性粒细胞.jpg"  # the first is valid UTF-8 by chance: a letter with a grave accent
    first, second = names_in(packed_all(cat.encode("gbk"), other.encode("gbk")))
    assert (first == cat or UNKNOWN in first, second) == (True, other)
    (tmp_path / "a.zip").write_bytes(packed_all("é.jpg".encode(), "ü.jpg".encode()))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["é.jpg", "ü.jpg"]


def test_an_archive_is_unpacked_under_these_names(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed("\u00dcbersicht.jpg".encode()))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["\u00dcbersicht.jpg"]
