"""5,000 files as the world sends them: formats x depths x damage x names, one row each, none costs another.

``python benchmarks/odd_files.py [NUMBER]`` draws them into a temporary folder, decodes each alone for its time, has the
installed program classify them all, and prints what came of it. It fails where a file has no row, where a sound cell is
read otherwise than alone, where one takes more than 5 seconds or the process more than 1.5 GB.
"""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import polars as pl
import tifffile
from numpy.typing import NDArray
from PIL import Image

from hemosight.errors import UnreadableImage
from hemosight.images.decode import decode, decode_cell, read_bytes
from hemosight.images.names import from_text, to_text
from hemosight.images.synthetic import draw_slide

SOUND = 40
"""Sound cells among the odd ones."""
SECONDS, GIGABYTES = 5.0, 1.5
BACKEND = "onnxruntime"
"""What computes: `auto` may choose otherwise from one run to the next, and then readings differ in the last digits."""
NAMES = (
    b"plain",
    "Zellgr\u00f6\u00dfe".encode(),
    "u\u0308ber".encode(),
    "\u55dc\u4e2d\u6027".encode(),
    b"caf\xe9",
    b"two\nlines",
    b"tab\there",
    b'quote"comma,',
    b"=1+1",
    b" blank ",
    b"[red]markup[cyan]",
    b"a" * 230,
    "\U0001f9a0".encode(),
    b"..dots..",
    b"percent%20",
    b"back\\slash",
)


def _tiff(array: NDArray, **how: object) -> bytes:
    buffer = io.BytesIO()
    how.setdefault("photometric", "rgb" if array.ndim == 3 else "minisblack")
    tifffile.imwrite(buffer, array, **how)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def _pillow(array: NDArray, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **how)
    return buffer.getvalue()


KINDS: dict[str, Callable[[NDArray], bytes]] = {
    ".jpg": lambda rgb: _pillow(rgb, "JPEG", quality=92),
    ".jpeg": lambda rgb: _pillow(rgb, "JPEG", progressive=True),
    ".jfif": lambda rgb: _pillow(255 - rgb, "JPEG", quality=60),
    ".png": lambda rgb: _pillow(rgb, "PNG"),
    ".16.png": lambda rgb: bytes(imagecodecs.png_encode(rgb.astype(np.uint16) * 257)),
    ".12.png": lambda rgb: bytes(imagecodecs.png_encode(rgb.astype(np.uint16) * 16)),
    ".grey.png": lambda rgb: _pillow(rgb[..., 1].copy(), "PNG"),
    ".bmp": lambda rgb: _pillow(rgb, "BMP"),
    ".webp": lambda rgb: _pillow(rgb, "WEBP"),
    ".8.tif": lambda rgb: _tiff(rgb, compression="lzw"),
    ".16.tif": lambda rgb: _tiff(rgb.astype(np.uint16) * 257),
    ".16p.tif": lambda rgb: _tiff(
        np.moveaxis(rgb, 2, 0).astype(np.uint16) * 257, planarconfig="separate", photometric="rgb"
    ),
    ".16t.tif": lambda rgb: _tiff(rgb.astype(np.uint16) * 257, tile=(64, 64), compression="deflate", byteorder=">"),
    ".12.tif": lambda rgb: _tiff(rgb.astype(np.uint16) * 16),
    ".32.tif": lambda rgb: _tiff(rgb.astype(np.uint32) * 16843009),
    ".float.tif": lambda rgb: _tiff((rgb / 255).astype(np.float32)),
    ".signed.tif": lambda rgb: _tiff(rgb.astype(np.int16) * 128),
    ".ome.tif": lambda rgb: _tiff(
        np.moveaxis(rgb, 2, 0).copy(), ome=True, photometric="minisblack", metadata={"axes": "CYX"}
    ),
    ".pages.tif": lambda rgb: _tiff(np.stack([rgb[..., 0]] * 4), photometric="minisblack"),
    ".gif.jpg": lambda rgb: _pillow(rgb, "GIF"),
    ".jp2.png": lambda rgb: _pillow(rgb, "JPEG2000"),
    ".avif.jpg": lambda rgb: bytes(imagecodecs.avif_encode(rgb)),
    ".black.png": lambda rgb: _pillow(rgb * 0, "PNG"),
    ".txt.jpg": lambda _: b"Patient moved, no slide today.",
    ".pdf.jpg": lambda _: b"%PDF-1.7\n" + bytes(2000),
    ".dicom.jpg": lambda _: bytes(128) + b"DICM" + bytes(500),
}


def damages(rng: np.random.Generator) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """What happens to a file's bytes on the way."""

    def cut(data: bytes) -> bytes:
        return data[: int(rng.integers(0, len(data)))]

    def flip(data: bytes) -> bytes:
        torn = bytearray(data)
        for at in rng.integers(0, min(len(torn), 400), 4):
            torn[at] = rng.integers(256)
        return bytes(torn)

    def flip_anywhere(data: bytes) -> bytes:
        torn = bytearray(data)
        for at in rng.integers(0, len(torn), 8):
            torn[at] = rng.integers(256)
        return bytes(torn)

    def hole(data: bytes) -> bytes:
        at = int(rng.integers(0, len(data)))
        return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]

    def twice(data: bytes) -> bytes:
        return data + data[::-1]

    yield from (("sound", lambda data: data), ("cut", cut), ("header", flip), ("flipped", flip_anywhere))
    yield from (("hole", hole), ("doubled", twice), ("empty", lambda _: b""))


def draw(folder: Path, number: int, sound: int = SOUND) -> None:
    """The odd files, and so many sound ones among them."""
    rng = np.random.default_rng(17)
    cells = [(name, data) for name, data in draw_slide(sound, seed=5)]
    for row, (_, data) in enumerate(cells):
        (folder / f"sound {row:02d}.jpg").write_bytes(data)
    pixels = [decode(data)[100:260, 100:260] for _, data in cells]
    kinds, ways = list(KINDS.items()), list(damages(rng))
    stored: dict[tuple[str, int], bytes] = {}  # encoding costs more than anything that follows
    for row in range(number - sound):
        suffix, encode = kinds[row % len(kinds)]
        _, damage = ways[(row // len(kinds)) % len(ways)]
        name = b"%05d " % row + NAMES[row % len(NAMES)] + suffix.encode()
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            which = (suffix, row % len(pixels))
            if which not in stored:
                stored[which] = encode(pixels[which[1]])
            file.write(damage(stored[which]))


def classify(*words: Path) -> tuple[pl.DataFrame, float]:
    """The program's table, and its seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.parquet"
        code = "from hemosight.cli import main; main()"
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code, "classify", *map(str, words), "--backend", BACKEND, "--out", str(out)],
            check=False,
        )
        assert done.returncode in (0, 3), done.returncode
        return pl.read_parquet(out), time.monotonic() - begun


def main() -> None:
    """Draw, decode, classify, judge."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "crops"
        folder.mkdir()
        draw(folder, number)
        paths = sorted(folder.iterdir())
        slowest, came = 0.0, Counter[str]()
        for path in paths:
            begun = time.monotonic()
            try:
                decode_cell(read_bytes(path))
                came["read"] += 1
            except UnreadableImage as fault:
                came[type(fault).__name__] += 1
            slowest = max(slowest, time.monotonic() - begun)
        sound = [path for path in paths if path.name.startswith("sound")]
        alone, _ = classify(*sound)
        table, seconds = classify(folder)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        assert [from_text(path) for path in table["path"]] == paths, "one row a file, in order"
        among = table.filter(pl.col("path").is_in([to_text(path) for path in sound]))
        assert among.select("label").equals(alone.select("label")), "a neighbour changed a reading"
        assert np.allclose(among["probability"], alone["probability"], atol=1e-5)
        print(f"{len(paths):,} files, {table.height:,} rows, {table['label'].count():,} read, {seconds:.0f} s in all")
        print("what came:", ", ".join(f"{kind} {count:,}" for kind, count in came.most_common()))
        print(f"slowest file {slowest:.2f} s, largest memory {peak:.2f} GB")
        assert slowest < SECONDS
        assert peak < GIGABYTES


if __name__ == "__main__":
    main()
