"""Settings of signing in by an OpenID Connect provider; a part of :class:`hemosight.service.settings.Settings`."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

_RIGHT = re.compile(r"administrator|(viewer|reviewer|admin):[1-9]\d{0,17}")
"""What a group may give: the service's administration, or a role in a project."""


class SignInSettings(BaseSettings):
    """Who may sign in how."""

    local_accounts: bool = Field(
        True,
        description="Whether names and passwords that HemoSight keeps sign in. Without, `oidc_issuer` alone does, and "
        "one of `oidc_groups` has to give `administrator`.",
    )
    public_url: str | None = Field(
        None,
        description="Address at which browsers find HemoSight, such as `https://hemosight.example/desk`; where not "
        "given, the one each request came to. The provider sends people back to it.",
    )
    oidc_issuer: str | None = Field(
        None, description="Issuer of the OpenID Connect provider that people sign in with, as its documents name it."
    )
    oidc_client_id: str = Field("", description="What the provider knows HemoSight as.")
    oidc_client_secret: SecretStr | None = Field(
        None,
        description="The secret of that client; none where the provider takes a public client (PKCE is used always).",
    )
    oidc_title: str = Field(
        "your organisation", description="What the button on the page says after *Sign in with*.", max_length=60
    )
    oidc_scopes: list[str] = Field(
        ["openid", "profile", "email"],
        description="Scopes that are asked for, as a JSON list; some providers need one more to tell groups.",
    )
    oidc_name_claim: str = Field(
        "preferred_username", description="Claim that a new account's name is taken from, once, when it first comes."
    )
    oidc_groups_claim: str = Field("groups", description="Claim that lists a person's groups.")
    oidc_groups: dict[str, list[str]] = Field(
        {},
        description='What groups give, as a JSON object: `{"lab": [], "heads": ["administrator"], "readers": '
        '["reviewer:3"]}`, the numbers being those of projects. Who is in none of them does not come in; at every '
        "sign-in rights are set as the groups say. Without it whoever the provider lets in has an account, and rights "
        "are given in HemoSight.",
    )

    @field_validator("oidc_issuer", "public_url")
    @classmethod
    def _is_a_safe_address(cls, given: str | None) -> str | None:
        """On another machine over TLS alone: whoever listens in could sign in as anybody."""
        if given is None:
            return None
        parts = urlsplit(given)
        if not parts.hostname or parts.query or parts.fragment or parts.scheme not in ("https", "http"):
            raise ValueError("an address such as https://login.example/realms/lab")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("an https address; http on this machine alone")
        return given

    @field_validator("oidc_groups")
    @classmethod
    def _are_rights(cls, given: dict[str, list[str]]) -> dict[str, list[str]]:
        for rights in given.values():
            for right in rights:
                if not _RIGHT.fullmatch(right):
                    raise ValueError("for each group a list of administrator, viewer:N, reviewer:N or admin:N")
        return given

    @model_validator(mode="after")
    def _somebody_can_come_in(self) -> SignInSettings:
        if self.oidc_issuer is not None and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id")
        if not self.local_accounts:
            if self.oidc_issuer is None:
                raise ValueError("without local_accounts there has to be an oidc_issuer")
            if not any("administrator" in rights for rights in self.oidc_groups.values()):
                raise ValueError("without local_accounts one of oidc_groups has to give administrator")
        return self


def is_loopback(host: str) -> bool:
    """Whether a host names this machine and nothing else can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
