"""The demonstration goes on at the review desk: a service of its own, with the cells that were read in a project."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.demo.cells import Bars, Say, quiet
from hemosight.errors import RequestFailed
from hemosight.images.catalog import Catalog, Progress

PROJECT = "Demonstration"
_TOGETHER = 50
"""Crops in one request."""
_ADDRESS = "HemoSight is at "
_API = "/api/v1"
_PATIENCE = httpx.Timeout(60.0)


def open_desk(
    cells: Catalog,
    labelled: Catalog | None,
    out: Path,
    say: Say,
    *,
    bundle: Path | None = None,
    bars: Bars = quiet,
    show: bool = False,
) -> None:
    """Serve these cells for review until Ctrl-C.

    Parameters
    ----------
    cells
        What the model reads.
    labelled
        Cells that come with their labels, as if a person had given them; None where the bundle's own suffice.
    out
        The service keeps its data in ``out/desk``: a second demonstration goes on where the first was left.
    bundle
        What the service reads with; the built-in one where None.
    show
        Whether to open the page in a browser.

    Raises :class:`~hemosight.errors.RequestFailed` where the service does not start.
    """
    with _service(out / "desk", bundle) as (address, process):
        with (
            httpx.Client(base_url=address, timeout=_PATIENCE) as client,
            bars("taking to the desk") as (_, (progress,)),
        ):
            project = fill(client, cells, labelled, progress)
        page = f"{address}/projects/{project}"
        say(f"Review them at {page} (Ctrl-C ends it; the same command goes on)")
        if show:
            webbrowser.open(page)
        process.wait()


def fill(client: httpx.Client, cells: Catalog, labelled: Catalog | None, progress: Progress) -> int:
    """Bring cells and labels into the project of the demonstration; its number. What is there already stays."""
    session = _answer(client.get(f"{_API}/session"))
    client.headers["X-CSRF-Token"] = session["csrf"]
    project = _project(client)
    paths = [*cells.paths, *(labelled.paths if labelled is not None else [])]
    upload = _answer(client.post(f"{_API}/projects/{project}/uploads", json={}))["id"]
    images: dict[str, int] = {}
    for start in range(0, len(paths), _TOGETHER):
        part = paths[start : start + _TOGETHER]
        with ExitStack() as stack:
            # The folder stays in the name: crops of two folders may be called alike.
            files = [("files", (_name(path), stack.enter_context(path.open("rb")))) for path in part]
            outcomes = _answer(client.post(f"{_API}/projects/{project}/uploads/{upload}/files", files=files))["items"]
        for path, outcome in zip(part, outcomes, strict=True):
            if outcome["image"] is not None:
                images[str(path)] = outcome["image"]
        progress(len(images), len(paths))
    if labelled is not None:
        _label(client, project, labelled, images)
    return project


def _project(client: httpx.Client) -> int:
    for project in _answer(client.get(f"{_API}/projects"))["items"]:
        if project["name"] == PROJECT:
            return int(project["id"])
    return int(_answer(client.post(f"{_API}/projects", json={"name": PROJECT}))["id"])


def _label(client: httpx.Client, project: int, labelled: Catalog, images: dict[str, int]) -> None:
    """Labels of cells that nobody has labelled yet: a version of 0 gives way to whatever a person has said since."""
    items = [
        {"image": images[str(path)], "label": label, "version": 0}
        for path, label in zip(labelled.paths, labelled.labels(), strict=True)
        if label is not None and str(path) in images
    ]
    given = {"request": str(uuid.uuid4()), "label_set": CELL_TYPE, "kind": "set", "items": items}
    _answer(client.post(f"{_API}/projects/{project}/labels", json=given))


@contextmanager
def _service(folder: Path, bundle: Path | None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``hemosight serve`` for one person on a free port of this machine, and where it is."""
    command = [sys.executable, "-m", "hemosight", "serve", "--no-login", "--port", "0", "--data-dir", str(folder)]
    command += ["--bundle", str(bundle)] if bundle is not None else []
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # else the service would outlive us
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield _address(process, log), process
        except KeyboardInterrupt:
            pass  # the service has had it too, and ends in good order below
        finally:
            signal.signal(signal.SIGTERM, before)
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    for line in process.stdout or ():
        if line.startswith(_ADDRESS):
            address = line.removeprefix(_ADDRESS).strip()
            _wait(address)
            return address
    raise _closed(log)


def _wait(address: str, seconds: float = 60.0) -> None:
    """Until a worker has come forward; the page would say so too, but a demonstration should not begin with it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and httpx.get(f"{address}/readyz").status_code != httpx.codes.OK:
        time.sleep(0.2)


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise _closed(response.text)
    return response.json()


def _closed(log: object) -> RequestFailed:
    return RequestFailed(
        code="desk_closed",
        expected="the review service of the demonstration",
        came=f"no answer that helps; it said: {log}",
        mend="Remove the folder `desk` of the demonstration and run it again, or leave the desk out with --no-desk.",
    )


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
