"""People who write to a service whatever is killed: each goes on, as the page does, until there is an answer."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from hemosight.blood.vocabulary import CELL_TYPE

TYPES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "ig", "blast", "erythroblast", "platelet")
OF_A_CASE = 3
"""Cells of each case that is uploaded."""
_PAUSE = 0.2
"""Seconds before the same is sent again."""


@dataclass(frozen=True)
class Cell:
    """An image that was acknowledged, and the number of its case."""

    image: int
    case: int


@dataclass
class Acknowledged:
    """What the service said it had stored, in the order in which it said so."""

    uploads: list[tuple[str, int]] = field(default_factory=list)
    """Checksum and number of images."""
    labels: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Request, image, version, label."""
    comments: list[tuple[int, int, str]] = field(default_factory=list)
    """Number, image, text."""
    signatures: list[tuple[int, int]] = field(default_factory=list)
    """Number, case."""

    def counts(self) -> dict[str, int]:
        """How many of each there are by now."""
        return {name: len(rows) for name, rows in vars(self).items()}


class Client:
    """Sends a request again until it is answered by anything but 503; whether one was lost on the way is told."""

    def __init__(self, address: str, ended: threading.Event) -> None:
        self._address = address
        self._ended = ended
        self._http: httpx.Client | None = None

    def ask(self, method: str, path: str, **given: Any) -> tuple[httpx.Response, bool]:
        """The answer, and whether an earlier try may have been carried out without one."""
        lost = False
        while True:
            answer = self.once(method, path, **given)
            if answer is not None:
                return answer, lost
            lost = True

    def once(self, method: str, path: str, **given: Any) -> httpx.Response | None:
        """One try; None where it got no answer, or 503."""
        answer = None
        with suppress(httpx.HTTPError):
            if self._http is None:
                self._http = httpx.Client(base_url=f"{self._address}/api/v1", timeout=60)
            if "X-CSRF-Token" not in self._http.headers:
                session = self._http.get("/session").raise_for_status()
                self._http.headers["X-CSRF-Token"] = session.json()["csrf"]
            answer = self._http.request(method, path, **given)
        if answer is not None and answer.status_code != 503:
            return answer
        self.close()
        if self._ended.wait(_PAUSE):
            raise Ended
        return None

    def close(self) -> None:
        """Let go of the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None


class Ended(Exception):
    """The writers were told to end while one of them waited for an answer."""


class Writers:
    """Threads that upload, label, comment and sign until they are told to end.

    Parameters
    ----------
    address
        Of the service; it stays when the server is started again.
    projects
        Numbers of the project that many write to, and of the one whose cases are signed.
    crops
        Pictures; each upload is one of them with a number behind its end, so that all differ.
    seed
        Of what they choose.
    """

    def __init__(self, address: str, projects: tuple[int, int], crops: Sequence[bytes], seed: int) -> None:
        self.acknowledged = Acknowledged()
        self.faults: list[str] = []
        self._path, self._signed = (f"/projects/{number}" for number in projects)
        self._address = address
        self._crops = crops
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._cells: list[Cell] = []
        self._versions: dict[int, int] = {}
        self._newest: dict[str, int] = {}
        works = [self._upload, self._label, self._label, self._comment, self._sign]
        self._threads = [
            threading.Thread(target=self._go_on, args=(one, random.Random(seed + number)), daemon=True)
            for number, one in enumerate(works)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """End after what is in hand; what has no answer by then counts as not acknowledged."""
        self._ended.set()
        for thread in self._threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self._threads)

    def _go_on(self, work: Callable[[Client, random.Random], None], rng: random.Random) -> None:
        client = Client(self._address, self._ended)
        try:
            while not self._ended.wait(rng.uniform(0.0, 0.2)):
                work(client, rng)
        except Ended:
            pass
        except Exception as error:  # the test says so in the end, whatever it is
            self.faults.append(f"{work.__name__}: {type(error).__name__}: {error}")
        finally:
            client.close()

    # --- what they do ---------------------------------------------------------------------------------------

    def _upload(self, client: Client, rng: random.Random) -> None:
        made = self._case(client, rng, self._path)
        with self._lock:
            self._cells += made

    def _case(self, client: Client, rng: random.Random, path: str) -> list[Cell]:
        """A new case and its cells, in one upload."""
        key = f"case-{uuid.UUID(int=rng.getrandbits(128))}"
        begun, _ = client.ask("POST", f"{path}/uploads", json={"case": key})
        assert begun.status_code == 201, begun.text
        files: Mapping[str, bytes] = {
            f"{key}/{number}.jpg": rng.choice(self._crops) + f"{key}/{number}".encode() for number in range(OF_A_CASE)
        }
        parts = [("files", (name, data, "image/jpeg")) for name, data in files.items()]
        answer, _ = client.ask("POST", f"{path}/uploads/{begun.json()['id']}/files", files=parts)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert {item["state"] for item in items} <= {"added", "known"}, answer.text
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self.acknowledged.uploads += [(sums[item["name"]], item["image"]) for item in items]
        shown, _ = client.ask("GET", f"{path}/cases", params={"after": self._newest.get(path, 0)})
        case = next(one["id"] for one in shown.json()["items"] if one["key"] == key)
        self._newest[path] = case
        return [Cell(item["image"], case) for item in items]

    def _label(self, client: Client, rng: random.Random) -> None:
        with self._lock:
            some = rng.sample(self._cells, min(len(self._cells), rng.randint(1, 3)))
            versions = {cell.image: self._versions.get(cell.image, 0) for cell in some}
        if some:
            self._give(client, rng, self._path, versions)

    def _give(self, client: Client, rng: random.Random, path: str, versions: Mapping[int, int]) -> None:
        """Label images, by the versions of the labels that were seen of them."""
        request = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        items = [{"image": image, "label": rng.choice(TYPES), "version": seen} for image, seen in versions.items()]
        body = {"request": request, "label_set": CELL_TYPE, "items": items}
        answer, _ = client.ask("POST", f"{path}/labels", json=body)
        assert answer.status_code == 200, answer.text
        given = answer.json()
        with self._lock:
            for one in [*given["labels"], *given["conflicts"]]:
                self._versions[one["image"]] = max(one["version"], self._versions.get(one["image"], 0))
            self.acknowledged.labels += [
                (request, one["image"], one["version"], one["label"]) for one in given["labels"]
            ]

    def _comment(self, client: Client, rng: random.Random) -> None:
        with self._lock:
            cell = rng.choice(self._cells) if self._cells else None
        if cell is None:
            return
        said = f"seen {uuid.UUID(int=rng.getrandbits(128))}"
        where = f"{self._path}/images/{cell.image}"
        while True:
            answer = client.once("POST", f"{where}/comments", json={"text": said})
            if answer is not None:
                assert answer.status_code == 201, answer.text
                found = answer.json()
                break
            # A person whose comment got no answer looks whether it is there before writing it again.
            time.sleep(1.0)
            shown, _ = client.ask("GET", where)
            there = [one for one in shown.json()["comments"] if one["text"] == said]
            if there:
                found = there[0]
                break
        self.acknowledged.comments.append((found["id"], cell.image, said))

    def _sign(self, client: Client, rng: random.Random) -> None:
        """A case of the signer's own project, where nobody else keeps the model learning: sent, labelled, signed."""
        cells = self._case(client, rng, self._signed)
        self._give(client, rng, self._signed, {cell.image: 0 for cell in cells})
        body = {"case": cells[0].case, "note": "looked at every cell"}
        lost = False
        while True:
            answer, again = client.ask("POST", f"{self._signed}/signatures", json=body)
            if answer.status_code == 201:
                found = answer.json()["id"]
                break
            assert answer.status_code == 409, answer.text
            lost = lost or again
            if lost and answer.json()["error"]["code"] == "locked":
                shown, _ = client.ask("GET", f"{self._signed}/signatures")
                found = next(one["id"] for one in shown.json()["items"] if one["case"] == body["case"])
                break
            if self._ended.wait(0.3):  # it is still learning, or the cells are not read yet
                raise Ended
        self.acknowledged.signatures.append((found, cells[0].case))
