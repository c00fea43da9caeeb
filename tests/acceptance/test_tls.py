"""TLS by file: a real server with a certificate of its own answers https alone, and what cannot be served is said."""

from __future__ import annotations

import datetime
import ipaddress
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from processes import Server

from hemosight.errors import HemoSightError
from hemosight.service.settings import load
from hemosight.service.tls import require_certificate

pytestmark = pytest.mark.acceptance
PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives for a test


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate for this machine, and its key."""

    certificate: Path
    key: Path

    def settings(self) -> dict[str, str]:
        return {"HEMOSIGHT_TLS_CERTIFICATE": str(self.certificate), "HEMOSIGHT_TLS_KEY": str(self.key)}


def make(folder: Path, name: str, password: bytes | None = None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "HemoSight test")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return pair


@pytest.fixture
def pair(folder: Path) -> Pair:
    return make(folder, "desk")


@pytest.fixture
def server(folder: Path, pair: Pair) -> Iterator[Server]:
    started = Server(folder / "data", folder / "log", login=True, settings=pair.settings())
    yield started
    started.stop()


@pytest.mark.attack(
    who="somebody who listens on the network",
    what="waits for passwords and cookies where there is no proxy",
    held="TLS 1.2 or newer ends in the service; cookies are sent over it alone, plain http is not answered",
)
def test_https_alone_is_answered_and_cookies_are_for_it_alone(server: Server, pair: Pair) -> None:
    assert server.address.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=str(pair.certificate))
    assert server.process.stdout is not None
    link = ""
    while "token=" not in link:
        link = server.process.stdout.readline().decode()
    assert link.strip().startswith(f"{server.address}/first-run?token=")
    token = re.findall(r"token=(\S+)", link)[0]
    with httpx.Client(base_url=f"{server.address}/api/v1", verify=trusted, timeout=60) as client:
        first = {"token": token, "name": "root", "display": "Root", "password": PASSWORD}
        answer = client.post("/first-run", json=first)
        assert answer.status_code in (200, 201), answer.text
        cookies = answer.headers.get_list("set-cookie")
        assert cookies
        assert all("; secure" in cookie.lower() for cookie in cookies)
        assert any(cookie.startswith("__Host-hemosight=") for cookie in cookies)
        assert client.get("/projects").status_code == 200, "the cookie signs in"
        assert "Strict-Transport-Security" not in answer.headers, "localhost has other services"
        stream = answer.extensions["network_stream"].get_extra_info("ssl_object")
        assert stream.version() == "TLSv1.3"
    with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
        httpx.get(f"{server.address}/healthz")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.address.replace('https', 'http', 1)}/healthz")
    old = ssl.create_default_context(cafile=str(pair.certificate))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES128-SHA")  # not authenticated as a whole
    with pytest.raises(httpx.ConnectError, match="SSL"):
        httpx.get(f"{server.address}/healthz", verify=old)


def test_a_server_that_has_no_certificate_to_show_does_not_start(folder: Path, pair: Pair) -> None:
    pair.key.unlink()
    command = [sys.executable, "-m", "hemosight", "serve", "--data-dir", str(folder / "d"), "--port", "0"]
    given = folder / "settings.toml"
    given.write_text(f'tls_certificate = "{pair.certificate}"\ntls_key = "{pair.key}"\n')
    done = subprocess.run(
        [*command, "--settings", str(given)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("hemosight: expected a file that can be read (tls_key)")
    assert f"{pair.key}: No such file or directory" in line
    assert not (folder / "d").exists(), "nothing was begun"


def _fault(pair: Pair) -> str:
    with pytest.raises(HemoSightError) as raised:
        require_certificate(load(None, tls_certificate=pair.certificate, tls_key=pair.key))
    return str(raised.value)


def test_what_cannot_be_served_is_said(folder: Path, pair: Pair) -> None:
    require_certificate(load(None, tls_certificate=pair.certificate, tls_key=pair.key))
    other = make(folder, "other")
    assert "which is the key of another certificate" in _fault(Pair(pair.certificate, other.key))
    locked = make(folder, "locked", b"secret")
    assert "locked by a password" in _fault(locked)
    (folder / "text").write_text("no certificate")
    assert f"something else in {folder / 'text'}" in _fault(Pair(folder / "text", pair.key))
    assert f"in {folder / 'text'}" in _fault(Pair(pair.certificate, folder / "text"))
    assert "Is a directory" in _fault(Pair(folder, pair.key))


@pytest.mark.parametrize(("given", "missing"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")])
def test_one_without_the_other_is_refused(folder: Path, given: str, missing: str) -> None:
    with pytest.raises(HemoSightError, match=f"{given} needs {missing}"):
        load(None, **{given: folder / "file"})


def test_beyond_this_machine_browsers_stay_with_https(pair: Pair) -> None:
    from hemosight.service.security.headers import Guard

    def strict(**given: object) -> bool:
        guard = Guard(lambda *_: None, load(None, **given))  # type: ignore[arg-type] -- nothing is passed on
        return "Strict-Transport-Security" in guard.fixed

    files = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    assert strict(**files, host="0.0.0.0")  # noqa: S104 -- nothing listens
    assert strict(behind_tls=True)
    assert not strict(**files)
    assert not strict()
