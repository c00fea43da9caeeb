"""Write docs/reference/files.md from the tests of what is read: ``python docs/reference/make_files.py``.

``tests/test_docs.py`` fails when the page is out of date.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hemosight.images import contrast, formats, limits, samples

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("files.md")
TESTS = ROOT / "tests" / "images"
_HEAD = """\
# Files: what is read

Written by `python docs/reference/make_files.py` from the tables of `tests/images/test_formats_read.py` and
`test_dicom.py`, where each line is a test, pixel for pixel against tifffile, imagecodecs and Pillow; edit the tests,
not this page.

A file is what its first bytes say, whatever it is called. In folders, pictures are found by suffix
({suffixes}), a file without a suffix by its
first bytes; `.dcm`, `.dicom` and names that are numbers where they are DICOM in truth. Everything else is passed over
and counted in the last line of `hemosight classify`. Grey pictures are decoded, but not classified: see below.

"""
_DICOM = """\
Photographs through a microscope (VL Microscopic Image Storage and its kin), by pydicom: single frames, and slides (VL
Whole Slide Microscopy) whose tiles together are a picture of at most {megapixels} megapixels. `BitsStored` says which
value is white, the ICC profile of the optical path how colours are meant. Refused by name: grey pictures, frames
that no matrix joins, focus planes, files packed as a whole, lossless JPEG, JPEG-LS and HTJ2K. What a JPEG says of its
colours (JFIF, Adobe, two of half the size) goes before `PhotometricInterpretation`.

A DICOM names its patient inside: the review service keeps files as they came.

"""
_TAIL = """\
## Which value is white

Twelve bits in a container of sixteen look like a dark picture if they are read as sixteen, and a dark cell is read as
a blast. So white is what the file declares: `BitsPerSample` below 16, `SMaxSampleValue`, OME's `SignificantBits`,
DICOM's `BitsStored`; `MinSampleValue` and `MaxSampleValue` are statistics and change nothing.

Programs write `SMaxSampleValue` for the range's end, for the highest value that occurs or for the number of levels, and
`SMinSampleValue` for black or for the lowest value that occurs. Eight bits without a sign hold 0 to 255 whatever both
say, but for an `SMaxSampleValue` of fewer bits (63, 127) that no sample exceeds. Of others:

- integers within one level of 255 of all bits set (4080 to 4095), or a power of two from 256 on (4096): all bits set;
- a value above all samples, a power of ten, one digit and zeros from 1000 on or below 1 (40000, 0.5), and an end that
  with `SMinSampleValue` is a number of bits wide (100 to 4195): as stated;
- else, the highest sample itself (3442): in doubt;
- a value that more than {hot} of the samples exceed: of another picture, and in doubt.

`SMinSampleValue` of at most {black_levels} levels of 255 is what happens to occur: black is 0 where white is all bits
set or no highest value is stated, and as stated beside other ends. A higher one is black as stated, below 0 for
floating point alone; in doubt where it is the lowest sample and the two are no number of bits wide, or where no highest
value is stated.

A declaration that only repeats what the container holds (`SignificantBits` or `BitsStored` 16 of 16, `SMaxSampleValue`
65535) counts as none: programs write it around the values of any camera, and a picture that uses its range is read
anyway. Where nothing is declared:

| samples | white |
|---|---|
| 16 or 32 bits, unsigned | all bits set, if more than 2% of the samples lie above half of it; else in doubt |
| signed | in doubt |
| floating point | 1, if more than 2% of the samples lie above 0.5 and none above 1; else in doubt |

Hot pixels and a scale bar burnt into the picture so decide nothing.

A picture in doubt is refused with its highest value, and `--bits N` (`hemosight classify`, `embed`, `data add`,
`data check`; `bits` of an upload and of a catalog) says how many bits hold the values. It goes before
`SMaxSampleValue` too, unless more than {hot} of the samples exceed it, both tags are just so many bits wide, or it
is as many bits as the container has, which say less than the tag. Of floating point it counts above 1 alone, and where
the picture is not black by it. Of samples above the range, up to {hot} (hot pixels) are white; more of them,
negative, NaN and infinite ones are refused.

Colours follow the ICC profile of RGB pictures that carry one, by its curves and primaries and not by its name, CMYK is
read without a profile, opacity lies on white (one that is 0 all over is none), EXIF and TIFF orientation are applied,
to PNG of 16 bits too, and a size is that of the turned picture.

## What is refused, by name

- Other formats: {others}.
- Slides and stacks in TIFF: SVS, NDPI, SCN, BIF, Philips, QPTIFF, LSM, STK, FluoView.
- Several pictures in a file: pages that no axes join, focus planes, time series, fluorescence channels, moving PNG and
  WebP. Three channels of one size (OME-TIFF, ImageJ composites, `axes: CYX`) are one picture, in the order of their
  names or colours; smaller copies and masks behind a picture are passed over.
- JPEG of more than 8 bits, lossless JPEG, JPEG-LS; TIFF in YCbCr without JPEG, CIELab, camera raw, grey with further
  samples.
- Pictures that cannot show a stained cell: less than {contrast} levels of contrast, nowhere brighter than {white} of
  255, black on more than {black:.0%} of the picture, a channel missing, grey or one tint (an eosinophil without colour
  is read as another cell), by the means of 24 x 24 blocks, so that noise of up to 20 levels and what JPEG leaves in an
  empty channel do not count. Stronger noise and fine patterns are no blank: they are read, and are `unfamiliar`.
- Less than {side} pixels on a side; more than {megapixels} megapixels of three times 8 bits, or as many bits of deeper
  samples; more than {bytes} MiB in one file; JPEGs in so many passes that decoding would take seconds.
- Pipes, devices, sockets and folders called like pictures; damaged and truncated files, also where a library would read
  on with black or with another depth. Of a JPEG that is whatever libjpeg complains of, but for zeros before its end.

Each costs its own row and nothing else. `python benchmarks/odd_files.py 5000` draws 5,000 files (26 ways of storing,
7 kinds of damage, 16 kinds of names), classifies them in one run and ends with a fault where one has no row, where a
sound cell is read otherwise than alone, or where one takes too long: [what a run gave](figures.md#odd-files).
"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """The page, as Markdown."""
    tests: Any = _load("test_formats_read")
    dicom: Any = _load("test_dicom")
    named = sorted({name for _, _, name in formats.NAMED} | set(formats.BRANDS.values()))
    head = _HEAD.format(suffixes=", ".join(f"`{suffix}`" for suffix in sorted(formats.SUFFIXES)))
    axes = [
        ("bits of a sample", ", ".join(map(str, tests.DEPTHS))),
        ("planes", ", ".join(tests.PLANES)),
        ("byte order", ", ".join(tests.ORDERS.values())),
        ("compression", ", ".join(tests.COMPRESSIONS.values())),
        ("layout", ", ".join(tests.TILES.values())),
    ]
    parts = [head, "## TIFF\n\nEvery combination of these, exactly:\n\n| | |\n|---|---|\n"]
    parts += [f"| {name} | {values} |\n" for name, values in axes]
    parts.append("\nAnd these:\n\n" + _table(tests.photometrics()))
    parts.append("\n## JPEG, PNG, BMP, WebP\n\n" + _table(tests.others()) + "\n")
    parts.append("## DICOM\n\n" + _DICOM.format(megapixels=limits.MEGAPIXELS) + _table(dicom.dicoms()) + "\n")
    parts.append(
        _TAIL.format(
            others=", ".join(named),
            hot=f"one in {round(1 / samples.HOT):,}",
            black_levels=samples.LEAST_BLACK,
            contrast=contrast.LEAST_CONTRAST,
            white=contrast.LEAST_WHITE,
            black=contrast.MOST_BLACK,
            side=limits.LEAST_SIDE,
            megapixels=limits.MEGAPIXELS,
            bytes=limits.FILE_BYTES >> 20,
        )
    )
    return "".join(parts)


def _table(kinds: Any) -> str:
    rows = [f"| {kind.name} | {f'within {kind.within} levels' if kind.within else 'exactly'} |\n" for kind in kinds]
    return "| stored as | read |\n|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
