"""Names in zip archives, whose format says which encoding they have only for half of the programs that write them.

Without the flag for UTF-8, the standard means code page 437; in truth it is UTF-8 (Macs), or the code page of whoever
packed: Chinese, Japanese, Russian, Greek, Turkish, Baltic, western or central European, of DOS or of Windows.

One program packed an archive: where every name in it is valid UTF-8, as names in a code page hardly ever all are, it is
UTF-8, down to a single e acute whose two bytes would be a Chinese character too. Else each name is judged alone: one
that makes words in several of them, or in none, is not guessed: a wrong word would stay, an escaped one is seen. So
most accents of Windows' code pages are not told apart: one byte is e grave in Paris and c caron in Prague. Code pages
that no Windows packs in (860 of Portugal, 863 of Quebec: both have 850) are not tried: names in 850 would be lost.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from hemosight.images.names import composed

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
UNKNOWN = "name in an unknown encoding: "
"""What stands before a name whose bytes are then written as %E0."""


def entry_name(info: zipfile.ZipInfo, *, utf8: bool = False) -> str:
    """An entry's name as its maker wrote it, accents composed (NFC); ``utf8`` as :func:`all_utf8` of its archive."""
    return composed(_written(info, utf8))


def entry_names(entries: Sequence[zipfile.ZipInfo], *, utf8: bool = False) -> list[str]:
    """The names of entries as :func:`entry_name`, but where two would become one: those stay as they are written."""
    written = [_written(info, utf8) for info in entries]
    forms: dict[str, set[str]] = defaultdict(set)
    for name in written:
        forms[composed(name)].add(name)
    return [composed(name) if len(forms[composed(name)]) == 1 else name for name in written]


def _written(info: zipfile.ZipInfo, utf8: bool) -> str:
    raw = _unstated(info)
    return info.filename if raw is None else _stated(info.extra, raw) or decoded(raw, utf8=utf8)


def all_utf8(entries: Iterable[zipfile.ZipInfo]) -> bool:
    """Whether all names of an archive that state no encoding are valid UTF-8: then none is in a code page."""
    raws = (raw for info in entries if (raw := _unstated(info)) is not None and _stated(info.extra, raw) is None)
    return all(_text(raw, "utf-8") is not None for raw in raws)


def decoded(raw: bytes, *, utf8: bool = False) -> str:
    """Bytes of a name without a stated encoding as text; after :data:`UNKNOWN` where none fits, or several do.

    ``utf8`` says that no name beside it speaks against UTF-8: then a letter of Europe's is enough.
    """
    plain = _text(raw, "utf-8")
    if plain is not None and (plain.isascii() or not _may_be_chance(plain)):
        return plain
    if plain is not None and utf8 and (_central(plain) or _greek(plain) or set(_beyond_ascii(plain)) <= _RUSSIAN):
        return plain
    read = {text for encoding, words in _ENCODINGS.items() if (text := _text(raw, encoding)) and words(text)}
    read |= {plain} if plain is not None else set()
    if len(read) == 1 and not _is_slight(text := read.pop()):
        return text
    written = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in raw)
    folder, slash, name = written.rpartition("/")
    return f"{folder}{slash}{UNKNOWN}{name}"


def _unstated(info: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name whose encoding is not stated by its flag."""
    if info.flag_bits & _UTF8_FLAG:
        return None
    try:
        return info.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # the library has decoded it otherwise
        return None


def _stated(extra: bytes, raw: bytes) -> str | None:
    """The name in the extra field for Unicode, which counts while its checksum is that of the plain name."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(body) > 5 and struct.unpack("<I", body[1:5])[0] == zlib.crc32(raw):
            return body[5:].decode("utf-8", "replace")
    return None


# --- what makes words -----------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+(?:[^\W\d_]|\u309a|\u3099)*")
_MOST_ACCENTED = 0.4
"""Share of a word's letters with accents above which it is no word of a Latin script; one accent is never too much."""
_RARE = frozenset("\u0192\u00ff\u0178\u0152\u0153\u0160\u0161\u017d\u017e\u00aa\u00ba")
"""Letters that western code pages have, and western names hardly ever."""
_RUSSIAN = frozenset(
    map(chr, (*range(0x410, 0x450), 0x401, 0x451, 0x404, 0x454, 0x406, 0x456, 0x407, 0x457, 0x490, 0x491))
)
_BALTIC = (
    frozenset("\u0105\u010d\u0119\u0117\u012f\u0161\u0173\u016b\u017e"),
    frozenset("\u0101\u010d\u0113\u0123\u012b\u0137\u013c\u0146\u0161\u016b\u017e"),
    frozenset("\u00f5\u00e4\u00f6\u00fc\u0161\u017e"),
)
_SOFT = frozenset("\u0123\u0137\u013c\u0146")
"""Letters of Latvian in which hardly a name ends."""
_VOWELS = frozenset("\u0430\u0435\u0451\u0438\u043e\u0443\u044b\u044d\u044e\u044f\u0456\u0457\u0454")
_GREEK_VOWELS = frozenset("\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9")
_GREEK_ENDS = _GREEK_VOWELS | frozenset("\u03bd\u03c1\u03be\u03c8\u03c3\u03c2")
_SIGMA, _LAST_SIGMA = "\u03c3", "\u03c2"
_WIDE = ("FULLWIDTH", "IDEOGRAPHIC", "KATAKANA MIDDLE DOT", "KATAKANA-HIRAGANA", "LEFT", "RIGHT")


def _text(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_slight(text: str) -> bool:
    """Whether it may be anything: one or two Cyrillic letters, or half-width kana, which all bytes make."""
    slight = any("CYRILLIC" in unicodedata.name(word[0], "") and len(word) < 3 for word in _WORD.findall(text))
    return slight or any(unicodedata.name(sign, "").startswith("HALFWIDTH") for sign in text)


def _may_be_chance(text: str) -> bool:
    """Whether what reads as UTF-8 may be so by chance: few signs, whose bytes are two or three letters or one character
    of an older encoding, and no small letter beside them.
    """
    return len(_beyond_ascii(text)) < 3 and _apart(text)


def _beyond_ascii(text: str) -> str:
    return "".join(sign for sign in text if ord(sign) > 127)


def _latin(text: str, rare: frozenset[str] = _RARE) -> bool:
    """Whether all words are of Latin letters, few of them with accents, and capitals where capitals stand."""
    words = _WORD.findall(text)
    if not all(any(sign in word for word in words) for sign in _beyond_ascii(text)):
        return False
    for word in words:
        accented = [at for at, sign in enumerate(word) if ord(sign) > 127]
        if len(accented) > max(1, _MOST_ACCENTED * len(word)) or not all(
            unicodedata.name(word[at], "").startswith("LATIN") and word[at] not in rare for at in accented
        ):
            return False
        if not word.isupper() and any(at and word[at].isupper() for at in accented):
            return False
    return True


def _central(text: str) -> bool:
    return _latin(text, frozenset())


def _baltic(text: str) -> bool:
    """Whether all words are of Latin letters as Lithuanian, Latvian or Estonian has them, all of one of these."""
    beyond = set(_beyond_ascii(text.lower()))
    soft_end = any(word[-1].lower() in _SOFT for word in _WORD.findall(text))
    return _central(text) and not soft_end and any(beyond <= letters for letters in _BALTIC)


def _cyrillic(text: str) -> bool:
    """Whether words are Cyrillic or ASCII throughout, with capitals where capitals stand, vowels and consonants."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    if not words or sum(map(len, words)) < len(_beyond_ascii(text)):
        return False
    for word in words:
        small = word.lower()
        if not set(word) <= _RUSSIAN or not (word.isupper() or word[1:].islower()):
            return False
        if len(word) > 2 and (not set(small) & _VOWELS or set(small) <= _VOWELS):
            return False
    return True


def _greek(text: str) -> bool:
    """Whether words are Greek or ASCII throughout, with capitals where capitals stand, and sounds as Greek has them.

    A word has one accent at most, vowels, no four consonants in a row, another sigma at its end, and ends in a vowel,
    nu, sigma, rho, xi or psi.
    """
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    if not words or sum(map(len, words)) < len(_beyond_ascii(text)):
        return False
    for word in words:
        if not all(unicodedata.name(sign, "").startswith("GREEK") for sign in word):
            return False
        if not (word.isupper() or word[1:].islower() or len(word) == 1):
            return False
        if (word[-1] == _SIGMA and len(word) > 1) or _LAST_SIGMA in word[:-1]:
            return False
        marks = unicodedata.normalize("NFD", word)
        bare = "".join(sign for sign in marks if not unicodedata.combining(sign)).lower()
        sounds = "".join("v" if sign in _GREEK_VOWELS else "c" for sign in bare)
        if marks.count("\u0301") > 1 or "v" not in sounds or "cccc" in sounds or bare[-1] not in _GREEK_ENDS:
            return False
    return True


def _chinese(text: str) -> bool:
    """Whether all is of GB2312's characters, and not all could be Korean syllables, which share half of them."""
    pairs = [sign.encode("gbk") for sign in _beyond_ascii(text)]
    hanzi = [pair for pair in pairs if len(pair) == 2 and 0xB0 <= pair[0] <= 0xF7 and pair[1] >= 0xA1]
    wide = [pair for pair in pairs if len(pair) == 2 and pair[0] in (0xA1, 0xA3) and pair[1] >= 0xA1]
    return len(hanzi) + len(wide) == len(pairs) and any(pair[0] > 0xC8 for pair in hanzi) and _apart(text)


def _japanese(text: str) -> bool:
    """Whether all is kana and kanji; half-width kana by themselves only."""
    names = [unicodedata.name(sign, "") for sign in _beyond_ascii(text)]
    if names and all(name.startswith("HALFWIDTH KATAKANA") for name in names):
        return all(word.isascii() or not re.search("[A-Za-z]", word) for word in _WORD.findall(text))
    return _apart(text) and all(name.startswith(("HIRAGANA", "KATAKANA", "CJK UNIFIED", *_WIDE)) for name in names)


def _apart(text: str) -> bool:
    """Whether no small Latin letter touches a character, as where an accented letter was taken for half of one."""
    return re.search(r"[a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]", text) is None


_ENCODINGS: dict[str, Callable[[str], bool]] = {
    "cp437": _latin,
    "cp850": _latin,
    "cp1252": _latin,
    "cp852": _central,
    "cp857": _central,
    "cp775": _baltic,
    "cp1250": _central,
    "cp1254": _central,
    "cp1257": _central,
    "cp737": _greek,
    "cp1253": _greek,
    "cp866": _cyrillic,
    "cp1251": _cyrillic,
    "gbk": _chinese,
    "cp932": _japanese,
}
"""What names are tried as, and what makes words in it."""
