"""TLS that ends here: the certificate and key of the settings, looked at before anything is started."""

from __future__ import annotations

import ssl
from pathlib import Path

from hemosight.service.errors import ServiceFault
from hemosight.service.settings import Settings

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption alone. TLS 1.3 has nothing else."""


def require_certificate(settings: Settings) -> None:
    """Raise :class:`~hemosight.service.errors.ServiceFault` unless certificate and key, where given, can be served."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return
    _require_readable("tls_certificate", certificate)
    _require_readable("tls_key", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Asked for a password, OpenSSL would wait for somebody at a terminal.
        context.load_cert_chain(certificate, key, password=_no_password)
    except _PasswordAsked:
        raise _fault("tls_key", "a key without a password", f"one in {key} that is locked by a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            came = f"{key}, which is the key of another certificate"
            raise _fault("tls_key", f"the key of {certificate}", came) from error
        raise _fault(*_unfit(certificate, key)) from error


class _PasswordAsked(Exception):
    pass


def _no_password() -> str:
    raise _PasswordAsked


def _require_readable(name: str, file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise _fault(name, "a file that can be read", f"{file}: {error.strerror or error}") from error


def _unfit(certificate: Path, key: Path) -> tuple[str, str, str]:
    """Which of the two files OpenSSL does not take; it does not say."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return "tls_certificate", "a certificate with its chain, as PEM", f"something else in {certificate}"
    return "tls_key", "a key as PEM", f"something else, or a kind of key that is not taken, in {key}"


def _fault(name: str, expected: str, came: str) -> ServiceFault:
    return ServiceFault(
        "bad_service_setting",
        expected=f"{expected} ({name})",
        came=came,
        mend="Mend the file, name another, or leave both settings away and let a proxy end TLS.",
    )
