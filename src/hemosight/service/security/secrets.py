"""Random secrets, and what is kept of them: a hash. They have 256 bits, so a plain sha256 is enough."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_MARK = "hs_"  # noqa: S105 -- how an API token begins, so that scanners of leaked secrets can know it


def new_secret() -> str:
    """43 characters that nobody can guess."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """An API token."""
    return TOKEN_MARK + new_secret()


def kept(secret: str) -> bytes:
    """What the database holds of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not say how far they agree."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
