"""Make a small data directory as a release leaves it, for every later one to open: ``make.py OUT.tar.xz``.

Run it with the release's own program on the path; it starts ``hemosight serve`` as a person would, makes an account, a
project, a few drawn cells, labels and a comment through the API, signs a case of another project, and stops it. What
went in stands in ``told.json`` beside the data. Four databases of a cluster are much alike: a dictionary of 64 MB packs
them into one and a half.
"""

from __future__ import annotations

import json
import lzma
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from pathlib import Path

import httpx

PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives in an archive


def main(out: Path) -> None:
    """Make the archive."""
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "hemosight",
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(folder / "d"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        text = ""
        while "token=" not in text:
            text += process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", text)
        token = re.search(r"token=(\S+)", text)
        assert address is not None
        assert token is not None
        told = _live(address[0], token[1])
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    (folder / "told.json").write_text(json.dumps(told, indent=1))
    alike = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20}]
    with lzma.open(out, "wb", filters=alike) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        archive.add(folder / "told.json", "told.json")
        archive.add(folder / "d", "d", filter=_plain)
    shutil.rmtree(folder)
    print(f"{out}: {out.stat().st_size:,} bytes")  # noqa: T201 -- a program


def _live(address: str, token: str) -> dict[str, object]:
    with httpx.Client(base_url=f"{address}/api/v1", timeout=300) as client:
        first = {"token": token, "name": "amina", "display": "Dr. Amina Diallo", "password": PASSWORD}
        client.headers["X-CSRF-Token"] = client.post("/first-run", json=first).raise_for_status().json()["csrf"]
        project = client.post("/projects", json={"name": "Slides"}).json()["id"]
        path = f"/projects/{project}"
        client.post(f"{path}/drawn", json={"count": 3, "seed": 1}).raise_for_status()
        images = [item["id"] for item in client.get(f"{path}/images").json()["items"]]
        items = [{"image": images[0], "label": "monocyte", "version": 0}]
        body = {"request": str(uuid.uuid4()), "label_set": "cell_type", "items": items}
        client.post(f"{path}/labels", json=body).raise_for_status()
        client.post(f"{path}/images/{images[1]}/comments", json={"text": "two nuclei"}).raise_for_status()
        signed = _signed(client)
        trail = client.get("/audit", params={"limit": 200}).json()["items"]
        return {
            "signed": signed,
            "password": PASSWORD,
            "project": project,
            "images": images,
            "labelled": images[0],
            "audit": len(trail),
        }


def _signed(client: httpx.Client) -> dict[str, object]:
    """A case of three drawn cells, each labelled as it is read, and signed; gives what is to be found of it."""
    project = client.post("/projects", json={"name": "Signed"}).raise_for_status().json()["id"]
    path = f"/projects/{project}"
    client.post(f"{path}/drawn", json={"count": 3, "seed": 2}).raise_for_status()
    while (shown := client.get(path).json())["read"] < shown["images"]:
        time.sleep(0.5)
    case = client.get(f"{path}/cases").json()["items"][0]["id"]
    images = [item["id"] for item in client.get(f"{path}/images").json()["items"]]
    items = [{"image": image, "label": "neutrophil", "version": 0} for image in images]
    body = {"request": str(uuid.uuid4()), "label_set": "cell_type", "items": items}
    client.post(f"{path}/labels", json=body).raise_for_status()
    said: dict[str, object] = {"case": case, "note": "looked at every cell"}
    made = client.post(f"{path}/signatures", json=said)
    for _ in range(100):
        if made.status_code != 409:  # it still learns
            break
        time.sleep(0.3)
        made = client.post(f"{path}/signatures", json=said)
    signature = made.raise_for_status().json()
    return {"project": project, "case": case, "signature": signature["id"], "images": images}


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's files of no time; without logs, locks and sockets."""
    if entry.name.endswith((".s.PGSQL.5432", ".lock", "/log", ".handle_pids.json", ".pid")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    return entry


if __name__ == "__main__":
    main(Path(sys.argv[1]))
