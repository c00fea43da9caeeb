"""Names in zip archives, whose format says which encoding they have only for half of the programs that write them.

Without the flag for UTF-8, the standard means code page 437; in truth it is UTF-8 (Macs), or the code page of whoever
packed: Chinese, Japanese, Russian, western DOS. A name that fits several, or none, is not guessed.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
UNKNOWN = "name in an unknown encoding: "
"""What stands before a name whose bytes are then written as %E0."""


def entry_name(info: zipfile.ZipInfo) -> str:
    """An entry's name as its maker wrote it, accents composed (NFC)."""
    if info.flag_bits & _UTF8_FLAG:
        return unicodedata.normalize("NFC", info.filename)
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # the library has decoded it otherwise
        return unicodedata.normalize("NFC", info.filename)
    return unicodedata.normalize("NFC", _stated(info.extra, raw) or decoded(raw))


def decoded(raw: bytes) -> str:
    """Bytes of a name without a stated encoding as text; after :data:`UNKNOWN` where none fits, or several do."""
    for encoding in ("ascii", "utf-8"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    # Western DOS before all: these letters stand among Latin ones, where other encodings would leave signs.
    for encoding, fits in _FITS.items():
        if fits(raw):
            return raw.decode(encoding)
    written = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in raw)
    folder, slash, name = written.rpartition("/")
    return f"{folder}{slash}{UNKNOWN}{name}"


def _stated(extra: bytes, raw: bytes) -> str | None:
    """The name in the extra field for Unicode, which counts while its checksum is that of the plain name."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(body) > 5 and struct.unpack("<I", body[1:5])[0] == zlib.crc32(raw):
            return body[5:].decode("utf-8", "replace")
    return None


def _letters(encoding: str, script: str) -> Callable[[bytes], bool]:
    """Whether every sign beyond ASCII is a letter of a script."""

    def fits(raw: bytes) -> bool:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            return False
        return all(unicodedata.name(sign, "").startswith(script) for sign in text if ord(sign) > 127)

    return fits


def _chinese(raw: bytes) -> bool:
    """Whether all pairs are of GB2312's characters, and not all could be Korean syllables, which share half of them."""
    leads, at = [], 0
    while at < len(raw):
        if raw[at] < 128:
            at += 1
            continue
        if at + 1 >= len(raw) or not (0xB0 <= raw[at] <= 0xF7 and raw[at + 1] >= 0xA1):
            return False
        leads.append(raw[at])
        at += 2
    return max(leads) > 0xC8


def _japanese(raw: bytes) -> bool:
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return False
    return all(
        unicodedata.name(sign, "").startswith(("HIRAGANA", "KATAKANA", "CJK UNIFIED"))
        for sign in text
        if ord(sign) > 127
    )


def _western(raw: bytes) -> bool:
    """Whether it reads as Latin letters, of which no three in a row have accents."""
    return _letters("cp437", "LATIN")(raw) and re.search(rb"[\x80-\xff]{3}", raw) is None


def _russian(raw: bytes) -> bool:
    """Whether it reads as Cyrillic letters, small ones for the most part: capitals alone could be Japanese."""
    if not _letters("cp866", "CYRILLIC")(raw):
        return False
    letters = [sign for sign in raw.decode("cp866") if ord(sign) > 127]
    return 2 * sum(sign.islower() for sign in letters) >= len(letters)


_FITS: dict[str, Callable[[bytes], bool]] = {
    "cp437": _western,
    "gbk": _chinese,
    "cp866": _russian,
    "cp932": _japanese,
}
