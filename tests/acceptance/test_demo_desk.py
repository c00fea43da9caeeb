"""The demonstration at the review desk: a service, a project, the cells in it, the labels that came with them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from running import Serving

from hemosight.demo.desk import PROJECT, fill
from hemosight.images.catalog import Catalog
from hemosight.images.splits import few_shot
from hemosight.images.synthetic import draw_smear

pytestmark = [pytest.mark.acceptance, pytest.mark.service, pytest.mark.story]
_API = "/api/v1"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a database may lie: its server is not root, and cannot enter pytest's own folders."""
    made = Path(tempfile.mkdtemp(prefix="hemosight-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    service = Serving(folder, "--no-login")
    service.start()
    with httpx.Client(base_url=service.address, timeout=60) as opened:
        yield opened
    service.stop()


def _nothing(_done: int, _total: int) -> None: ...


def _progress(client: httpx.Client, project: int) -> dict[str, int]:
    return client.get(f"{_API}/projects/{project}").json()


def test_cells_and_their_labels_are_at_the_desk_once(client: httpx.Client, drawn_catalog: Catalog) -> None:
    rows = few_shot(drawn_catalog.labels(), 2, np.random.default_rng(0))
    labelled = drawn_catalog.take(rows)
    rest = drawn_catalog.take(np.setdiff1d(np.arange(len(drawn_catalog)), rows))
    project = fill(client, rest, labelled, _nothing)
    shown = _progress(client, project)
    assert shown["name"] == PROJECT
    assert (shown["images"], shown["labelled"]) == (len(drawn_catalog), len(labelled))

    records = client.get(f"{_API}/projects/{project}/labels").json()["items"]
    first = records[0]
    other = "monocyte" if first["label"] != "monocyte" else "blast"
    said = {"image": first["image"], "label": other, "version": first["id"]}
    given = {"request": "6a7cfc0e-9b34-4a5f-8a2b-111111111111", "label_set": "cell_type", "items": [said]}
    assert client.post(f"{_API}/projects/{project}/labels", json=given).json()["conflicts"] == []

    assert fill(client, rest, labelled, _nothing) == project
    again = _progress(client, project)
    assert (again["images"], again["labelled"]) == (len(drawn_catalog), len(labelled))
    records = client.get(f"{_API}/projects/{project}/labels").json()["items"]
    assert [record["label"] for record in records if record["image"] == first["image"]] == [first["label"], other]


def test_the_command_serves_until_it_is_told_to_end(folder: Path) -> None:
    draw_smear(folder / "cells", {"platelet": 2, "eosinophil": 2}, seed=3)
    out = folder / "out"
    command = [sys.executable, "-m", "hemosight", "demo", "--images", str(folder / "cells"), "--out", str(out)]
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment["PYTHONUNBUFFERED"] = "1"
    process = subprocess.Popen([*command, "--desk"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if line.startswith("Review them at "))
        address = re.findall(r"http://[^/]+", said)[0]
        assert httpx.get(f"{address}/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    assert not (out / "desk" / "postgres" / "postmaster.pid").exists()
