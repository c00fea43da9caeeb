"""OpenID Connect: the authorization code flow with PKCE, state and nonce, as a relying party.

OpenID Connect Core 1.0 (3.1), Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (issuer in the answer), RP-Initiated Logout 1.0.

A browser on its way holds one random secret in a cookie; ``state``, ``nonce`` and the code's verifier are made of it,
so that none of them is kept here, and an answer is worth nothing in another browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import httpx2
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from hemosight.service.settings import Settings

Why = Literal["again", "provider", "token", "group", "name", "inactive", "taken"]
"""Why nobody came in: begin again; the provider said no or nothing; its token is not for us; no group that may; the
name is another account's; the account is inactive; the provider's account belongs to another one here.
"""
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the provider can make. Neither ``none``, nor those of a secret that both know."""
_FRESH = 3600.0
"""Seconds that what the provider says of itself is believed."""
AGAIN = 10.0
"""Seconds before its keys are looked up again for a key that was not among them."""
_PAUSE = 5.0
"""Seconds before a provider that did not answer is asked again."""
_LEEWAY = 60
"""Seconds that two clocks may differ."""
_PATIENCE = 10.0
"""Seconds a request to the provider may take."""


class SignInDenied(Exception):
    """Nobody came in; ``why`` is for the page, the text for the log: it holds nothing of a person or a token."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why: Why = why


@dataclass(frozen=True)
class Claims:
    """What the provider says of a person, checked."""

    subject: str
    name: str
    display: str
    groups: frozenset[str]


def derived(secret: str, purpose: str) -> str:
    """43 characters that follow from a secret, and from which nobody finds it or the others."""
    made = hmac.digest(secret.encode("utf-8", "replace"), f"hemosight oidc {purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


class OidcClient:
    """The provider of the settings. Nothing is asked of it before somebody signs in."""

    def __init__(self, settings: Settings) -> None:
        if settings.oidc_issuer is None:
            raise ValueError("no oidc_issuer is set")
        self.issuer = settings.oidc_issuer
        self._settings = settings
        self._lock = threading.Lock()
        self._about: dict[str, Any] = {}
        self._keys = KeySet([])
        self._about_at = self._keys_at = self._away_at = float("-inf")

    def address(self, secret: str, back: str) -> str:
        """Where a browser goes to sign in; ``back`` is where it comes back to."""
        about = self._provider()
        with self._client() as client:
            made, _ = client.create_authorization_url(
                _text(about, "authorization_endpoint"),
                state=derived(secret, "state"),
                nonce=derived(secret, "nonce"),
                code_verifier=derived(secret, "verifier"),
                redirect_uri=back,
            )
        return made

    def redeem(self, secret: str, back: str, answer: Mapping[str, str]) -> Claims:
        """Who the provider says it is. Raises :class:`SignInDenied`."""
        about = self._provider()
        if "iss" in answer or about.get("authorization_response_iss_parameter_supported") is True:
            _expect(answer.get("iss") == self.issuer, "provider", "the answer is another provider's")
        if "error" in answer:
            raise SignInDenied("provider", "the provider answered with an error")
        _expect(bool(answer.get("code")), "provider", "the answer has no code")
        try:
            with self._client() as client:
                tokens = client.fetch_token(
                    _text(about, "token_endpoint"),
                    grant_type="authorization_code",
                    code=answer["code"],
                    redirect_uri=back,
                    code_verifier=derived(secret, "verifier"),
                )
                claims = self._checked(tokens, derived(secret, "nonce"))
                wanted = {self._settings.oidc_name_claim}
                wanted |= {self._settings.oidc_groups_claim} if self._settings.oidc_groups else set()
                if wanted - claims.keys() and "userinfo_endpoint" in about:
                    answered = client.get(_text(about, "userinfo_endpoint")).raise_for_status().json()
                    _expect(answered.get("sub") == claims["sub"], "token", "the user info is of somebody else")
                    claims = {**answered, **claims}
        except SignInDenied:
            raise
        except Exception as error:  # of authlib, of the HTTP library that it happens to find, of what is no JSON
            raise SignInDenied("provider", f"the code could not be redeemed ({type(error).__name__})") from error
        return self._claims(claims)

    def sign_out(self, back: str) -> str | None:
        """Where a browser ends its session at the provider; None where the provider has no such place."""
        try:
            place = self._provider().get("end_session_endpoint")
        except SignInDenied:
            return None
        if not isinstance(place, str):
            return None
        query = urlencode({"client_id": self._settings.oidc_client_id, "post_logout_redirect_uri": back})
        return f"{place}{'&' if '?' in place else '?'}{query}"

    # --- what the provider says of itself ---------------------------------------------------------------------

    def _provider(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._about_at > _FRESH:
                # Of all who wait for a provider that does not answer, one asks: the others hear the same at once.
                _expect(time.monotonic() - self._away_at > _PAUSE, "provider", "the provider does not answer")
                try:
                    about = _fetched(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                    _expect(about.get("issuer") == self.issuer, "provider", "the provider calls itself otherwise")
                except SignInDenied:
                    self._away_at = time.monotonic()
                    raise
                self._about, self._about_at = about, time.monotonic()
            return self._about

    def _key_set(self, kid: str | None) -> KeySet:
        """The provider's keys; looked up again where they are old, or have none of this name."""
        place = _text(self._provider(), "jwks_uri")
        with self._lock:
            age = time.monotonic() - self._keys_at
            there = any(kid in (None, key.kid) for key in self._keys.keys)
            if age > _FRESH or (not there and age > AGAIN):
                try:
                    self._keys = KeySet.import_key_set(_fetched(place))  # type: ignore[arg-type] -- it is checked there
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise SignInDenied(
                        "provider", f"the provider's keys cannot be read ({type(error).__name__})"
                    ) from error
                self._keys_at = time.monotonic()
            return self._keys

    def _client(self) -> Any:  # an OAuth2Client, whose base is whichever HTTP library authlib finds
        secret = self._settings.oidc_client_secret
        ways = self._about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        way = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
        return OAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            token_endpoint_auth_method="none" if secret is None else way,
            scope=" ".join(self._settings.oidc_scopes),
            code_challenge_method="S256",
            timeout=_PATIENCE,
        )

    # --- what it says of a person -------------------------------------------------------------------------------

    def _checked(self, tokens: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is the provider's, for us, of now, and of this sign-in (Core 3.1.3.7)."""
        sent = tokens.get("id_token")
        if not isinstance(sent, str):
            raise SignInDenied("token", "no ID token came")
        wanted = JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True},
        )
        try:
            kid = _kid(sent)
            token = jwt.decode(sent, self._key_set(kid), algorithms=list(_ALGORITHMS))
            wanted.validate(token.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise SignInDenied("token", f"the ID token does not hold ({type(error).__name__})") from error
        claims = dict(token.claims)
        _expect(
            isinstance(claims["nonce"], str) and hmac.compare_digest(claims["nonce"].encode(), nonce.encode()),
            "token",
            "of another sign-in",
        )
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if several or "azp" in claims:
            _expect(claims.get("azp") == self._settings.oidc_client_id, "token", "given to another client")
        subject = claims["sub"]
        _expect(isinstance(subject, str) and 0 < len(subject) <= 255, "token", "a subject that is none")
        return claims

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        groups = claims.get(self._settings.oidc_groups_claim, [])
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        name, display = claims.get(self._settings.oidc_name_claim), claims.get("name")
        return Claims(
            subject=claims["sub"],
            name=name if isinstance(name, str) else "",
            display=display.strip()[:200] if isinstance(display, str) else "",
            groups=frozenset(one for one in listed if isinstance(one, str)),
        )


def _kid(sent: str) -> str | None:
    """The name of the key that signed; not believed, only looked for."""
    from joserfc import jws

    kid = jws.extract_compact(sent.encode()).headers().get("kid")
    return kid if isinstance(kid, str) else None


def _fetched(place: str) -> dict[str, Any]:
    try:
        found = httpx2.get(place, timeout=_PATIENCE).raise_for_status().json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise SignInDenied("provider", f"the provider does not answer ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise SignInDenied("provider", "the provider answers with something else")
    return found


def _text(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    if not isinstance(value, str):
        raise SignInDenied("provider", f"the provider names no {name}")
    return value


def _expect(holds: bool, why: Why, text: str) -> None:
    if not holds:
        raise SignInDenied(why, text)
