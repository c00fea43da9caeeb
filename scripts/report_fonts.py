"""Make the fonts of signed reports: Noto Sans in two weights, and the characters that names have in other scripts.

    pip download --no-deps fontpkg-noto-sans==2.15 fontpkg-noto-sans-arabic==2.12 pylopdf-fonts-zh-cn==0.1.1
    npm pack @expo-google-fonts/noto-sans-hebrew@0.4.1    # and unpack all four into FOLDER
    .venv/bin/python scripts/report_fonts.py FOLDER

All are under the SIL Open Font License 1.1, which lies beside them. Noto Sans is cut down to Latin, Greek, Cyrillic
and the signs of measures; Noto Sans SC to GB 2312, the common half of Big5, and the kana and the first level of
JIS X 0208, and its curves are turned into TrueType's, which every reader of PDF knows; Noto Sans Arabic to the Arabic
block and the forms in which letters join, which the program chooses itself; Noto Sans Hebrew to its letters and points.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable
from fontTools.varLib.instancer import instantiateVariableFont

HERE = Path(__file__).parent.parent / "src/hemosight/service/documents/fonts"
LATIN = [*range(0x20, 0x250), *range(0x2B0, 0x370), *range(0x370, 0x530), *range(0x1E00, 0x2000)]
LATIN += [*range(0x2000, 0x2070), *range(0x2070, 0x20D0), *range(0x2100, 0x2150), 0x2190, 0x2191, 0x2192, 0x2193]
LATIN += [0x2212, 0x2215, 0x221E, 0x2248, 0x2260, 0x2264, 0x2265, 0x25CF, 0xFFFD]

ARABIC = [*range(0x600, 0x700), *range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00)]
HEBREW = [*range(0x590, 0x600), *range(0xFB1D, 0xFB50)]


def characters() -> set[int]:
    """What is kept of the East Asian font."""

    def of(codec: str, first: range, second: range) -> set[str]:
        pairs = (bytes((one, two)) for one in first for two in second)
        return {pair.decode(codec, "ignore") for pair in pairs}

    chinese = of("gb2312", range(0xA1, 0xF8), range(0xA1, 0xFF))
    traditional = of("big5", range(0xA4, 0xC7), range(0x40, 0xFF))
    japanese = of("euc_jp", range(0xA1, 0xD0), range(0xA1, 0xFF))
    kept = {ord(text) for text in chinese | traditional | japanese if len(text) == 1}
    return {code for code in kept if code >= 0x3000} | set(range(0x3000, 0x3100)) | set(range(0xFF01, 0xFFEF))


def cut(font: TTFont, codes: set[int]) -> None:
    """Keep these characters and nothing that shapes them."""
    options = Options()
    options.layout_features = ["kern"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.hinting = False
    options.notdef_outline = True
    options.drop_tables += ["DSIG", "vhea", "vmtx", "VORG", "BASE"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)


def quadratic(font: TTFont) -> None:
    """Turn CFF outlines into TrueType's, to half a thousandth of the em."""
    glyphs, order = font.getGlyphSet(), font.getGlyphOrder()
    made = {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, 0.5, reverse_direction=True))
        made[name] = pen.glyph()
    glyf = newTable("glyf")
    glyf.glyphOrder, glyf.glyphs = order, made
    font["glyf"], font["loca"] = glyf, newTable("loca")
    del font["CFF "]
    top = font["maxp"]
    top.tableVersion = 0x00010000
    for name in ("maxZones", "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs"):
        setattr(top, name, 1 if name == "maxZones" else 0)
    for name in ("maxStackElements", "maxSizeOfInstructions", "maxComponentElements"):
        setattr(top, name, 0)
    font["post"].formatType = 3.0
    font.sfntVersion = "\x00\x01\x00\x00"


def main(folder: Path) -> None:
    """Write the five fonts."""
    for weight, name in ((400, "Regular"), (700, "Bold")):
        with TTFont(folder / "fontpkg_noto_sans/files/NotoSans[wdth,wght].ttf", recalcTimestamp=False) as font:
            instantiateVariableFont(font, {"wght": weight, "wdth": 100}, inplace=True)
            cut(font, set(LATIN))
            font.save(HERE / f"NotoSans-{name}.ttf")
    with TTFont(folder / "fontpkg_noto_sans_arabic/files/NotoSansArabic[wdth,wght].ttf", recalcTimestamp=False) as font:
        instantiateVariableFont(font, {"wght": 400, "wdth": 100}, inplace=True)
        cut(font, set(ARABIC))
        font.save(HERE / "NotoSansArabic-Regular.ttf")
    with TTFont(folder / "package/400Regular/NotoSansHebrew_400Regular.ttf", recalcTimestamp=False) as font:
        cut(font, set(HEBREW))
        font.save(HERE / "NotoSansHebrew-Regular.ttf")
    with TTFont(folder / "pylopdf_fonts_zh_cn/NotoSansSC-Regular.otf", recalcTimestamp=False) as font:
        cut(font, characters())
        quadratic(font)
        font.save(HERE / "NotoSansSC-Regular.ttf")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
