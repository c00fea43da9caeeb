"""A project of drawn cells in a running service: what screenshots, benchmarks and tests of the page look at."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from running import Serving

from hemosight.images.synthetic import draw_smear

SMEAR = {
    "neutrophil": 88,
    "lymphocyte": 44,
    "monocyte": 18,
    "eosinophil": 10,
    "basophil": 4,
    "ig": 12,
    "blast": 8,
    "erythroblast": 6,
    "platelet": 10,
}
"""Two hundred cells, unevenly of nine types, as a smear has them."""
_AT_ONCE = 50


def crops(folder: Path, counts: Mapping[str, int] = SMEAR, seed: int = 11) -> list[Path]:
    """Draw the crops of a smear, one stain and scanner for all, and give their files."""
    return sorted(path for path in draw_smear(folder, counts, seed) if path.suffix == ".jpg")


@contextmanager
def serving(*options: str) -> Iterator[Serving]:
    """The service without accounts, from start to stop."""
    # A short path: PostgreSQL's socket lies in it, and sockets have short names.
    folder = Path(tempfile.mkdtemp(prefix="hemosight-"))
    service = Serving(folder, "--no-login", *options)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def client(address: str) -> Iterator[httpx.Client]:
    """The API of a service that was started without sign-in."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=60) as opened:
        opened.headers["X-CSRF-Token"] = opened.get("/session").json()["csrf"] or ""
        yield opened


def project(
    api: httpx.Client,
    name: str,
    files: list[Path],
    *,
    case: str | None = None,
    seconds: float = 300,
    **settings: object,
) -> int:
    """Make a project, upload files into it, and wait until each is read. Gives the project's number."""
    made = _good(api.post("/projects", json={"name": name, "description": "Drawn cells"})).json()["id"]
    if settings:
        _good(api.patch(f"/projects/{made}", json=settings))
    added(api, int(made), files, case, seconds=seconds)
    return int(made)


def added(
    api: httpx.Client, project: int, files: list[Path], case: str | None = None, *, seconds: float = 300
) -> dict[int, str]:
    """Upload files into a project, for a case, and wait until each is read. Gives images and their files' names."""
    upload = _good(api.post(f"/projects/{project}/uploads", json={"case": case})).json()["id"]
    found: dict[int, str] = {}
    for start in range(0, len(files), _AT_ONCE):
        parts = [
            ("files", (path.name, path.read_bytes(), f"image/{path.suffix[1:].replace('jpg', 'jpeg')}"))
            for path in files[start : start + _AT_ONCE]
        ]
        answer = _good(api.post(f"/projects/{project}/uploads/{upload}/files", files=parts)).json()
        found |= {item["image"]: item["name"] for item in answer["items"]}
    until_read(api, project, seconds)
    return found


def until_read(api: httpx.Client, project: int, seconds: float = 300) -> None:
    """Wait until every cell of a project is read."""
    until = time.monotonic() + seconds
    while (now := _good(api.get(f"/projects/{project}")).json())["read"] < now["images"]:
        if time.monotonic() > until:
            raise TimeoutError(f"the cells of {now['name']} were not read within {seconds:.0f} s")
        time.sleep(0.1)


def _good(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url}: {response.text}")
    return response
