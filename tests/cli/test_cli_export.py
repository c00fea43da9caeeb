"""`hemosight export` against a server that answers as the service does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hemosight.cli import app, main

ASKED: list[tuple[str, dict[str, Any], str | None, str | None]] = []


class _Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ASKED.append((self.path, wanted, self.headers.get("Authorization"), self.headers.get("X-CSRF-Token")))
        if self.path == "/api/v1/projects/7/exports":
            self._answer(201, json.dumps({"id": 5 if wanted["label_set"] != "broken" else 6}).encode())
        else:
            self._answer(404, b'{"detail": "expected a project; found none"}')

    def do_GET(self) -> None:
        if self.path == "/api/v1/session":
            self._answer(200, b'{"csrf": "told"}')
        else:
            assert self.path in ("/api/v1/projects/7/exports/5", "/api/v1/projects/7/exports/6")
            self._answer(200, b"path,label\n", lacking=10 if self.path.endswith("6") else 0)

    def _answer(self, status: int, body: bytes, lacking: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + lacking))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    ASKED.clear()
    server = HTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_project_is_written_to_a_file(address: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "labels.csv"
    words = [
        "export",
        "7",
        "--to",
        "labels",
        "--address",
        address,
        "--token",
        "secret",
        "--case",
        "3",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert out.read_text() == "path,label\n"
    ((path, wanted, authorization, csrf),) = ASKED
    assert path == "/api/v1/projects/7/exports"
    assert wanted == {"format": "labels", "case": 3, "label_set": "cell_type", "bom": False}
    assert (authorization, csrf) == ("Bearer secret", None)


def test_without_login_the_request_shows_that_it_is_no_other_pages(address: str, tmp_path: Path) -> None:
    words = ["export", "7", "--address", address, "--out", str(tmp_path / "labels.csv")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    ((*_, authorization, csrf),) = ASKED
    assert (authorization, csrf) == (None, "told")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["8"], "status 404"),
        (["7", "--label-set", "broken"], "peer closed"),
        (["7", "--address", "http://127.0.0.1:9"], ""),
    ],
)
def test_what_did_not_come_whole_is_no_file(
    words: list[str],
    said: str,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "x.csv"
    monkeypatch.setattr("sys.argv", ["hemosight", "export", "--address", address, "--out", str(out), *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
