"""A small OpenID Connect provider, as a process of its own: ``python provider.py``; its address is its first line.

It holds to the standards where HemoSight has to: exact redirect address, S256 verifier, the client's secret, codes that
are good once. ``POST /told`` says who signs in next, and what is wrong with the ID token that they get.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "hemosight", "a secret of the client"
PERSON = {"sub": "u-1", "preferred_username": "amina", "name": "Dr. Amina Diallo", "groups": ["readers"]}


class Provider(ThreadingHTTPServer):
    """What the provider holds: its key, codes that were given out, and who comes next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.strange = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.codes: dict[str, dict[str, str]] = {}
        self.told: dict[str, Any] = {}
        self.sent: list[str] = []

    def token(self, nonce: str) -> str:
        """The ID token of whoever signs in, with what was told to be wrong with it."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= self.told.get("person", PERSON)
        claims |= self.told.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        match self.told.get("signed", "rightly"):
            case "by another":
                return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.strange)
            case "not at all":
                return ".".join(_coded(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."
            case "with the public key":  # which everybody has: HS256 in the place of RS256
                said = ".".join(_coded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "one"}, claims))
                public = self.key.as_pem(private=False)
                return f"{said}.{_coded(hmac.digest(public, said.encode(), hashlib.sha256))}"
            case _:
                return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def _coded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    @property
    def provider(self) -> Provider:
        """The server, as what it is."""
        assert isinstance(self.server, Provider)
        return self.server

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        provider = self.provider
        match place.path:
            case "/.well-known/openid-configuration":
                about = {name: f"{provider.issuer}/{name}" for name in ("authorize", "token", "keys", "me", "end")}
                self._json(
                    {
                        "issuer": provider.told.get("issuer", provider.issuer),
                        "authorization_endpoint": about["authorize"],
                        "token_endpoint": about["token"],
                        "jwks_uri": about["keys"],
                        "userinfo_endpoint": about["me"],
                        "end_session_endpoint": about["end"],
                        "authorization_response_iss_parameter_supported": True,
                    }
                )
            case "/keys":
                self._json({"keys": [provider.key.as_dict(private=False)]})
            case "/authorize":
                self._authorize(query)
            case "/me":
                self._json(provider.told.get("me", {**PERSON, **provider.told.get("person", {})}))
            case "/end":
                self._go(query["post_logout_redirect_uri"])
            case _:
                self.send_error(404)

    def _authorize(self, query: dict[str, str]) -> None:
        wanted = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256"}
        if any(query.get(name) != value for name, value in wanted.items()) or "openid" not in query["scope"].split():
            self.send_error(400)
            return
        back = {"state": query["state"], "iss": self.provider.told.get("answers as", self.provider.issuer)}
        if "error" in self.provider.told:
            self._go(f"{query['redirect_uri']}?{urlencode({**back, 'error': self.provider.told['error']})}")
            return
        code = secrets.token_urlsafe(16)
        self.provider.codes[code] = query
        self._go(f"{query['redirect_uri']}?{urlencode({**back, 'code': code})}")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/told":
            self.provider.told = json.loads(sent)
            if self.provider.told.get("new key"):
                self.provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})
            self._json({})
            return
        form = {name: values[0] for name, values in parse_qs(sent.decode()).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "%20").encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.provider.codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or self.headers.get("Authorization") not in (f"Basic {basic}", f"Basic {plain}")
            or form.get("redirect_uri") != asked["redirect_uri"]
            or _coded(challenge) != asked["code_challenge"]
        ):
            self._json({"error": "invalid_grant"}, 400)
            return
        token = self.provider.token(asked["nonce"])
        self._json({"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def _json(self, body: object, status: int = 200) -> None:
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _go(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    provider = Provider()
    sys.stdout.write(f"{provider.issuer}\n")
    sys.stdout.flush()
    threading.Thread(target=provider.serve_forever, args=(0.01,), daemon=True).start()
    sys.stdin.read()  # until whoever started it is gone
