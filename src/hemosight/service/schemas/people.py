"""Shapes of accounts, sessions, tokens and first sign-in."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from hemosight.service.security.passwords import LONGEST
from hemosight.service.storage import users

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[\w.@+-]+$")]
"""What one signs in with."""
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""A name that people read."""
Display = Annotated[Title, AfterValidator(users.printed)]
"""How a person is called, in lists, records and reports."""
Password = Annotated[SecretStr, Field(max_length=LONGEST)]


class Shape(BaseModel):
    """What all requests share: unknown fields are refused, so that a slip of the pen is noticed."""

    model_config = ConfigDict(extra="forbid")


class UserShown(BaseModel):
    """An account as others see it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": 3, "name": "amina", "display": "Dr. Amina Diallo", "is_admin": False, "active": True}]
        }
    )
    id: int
    name: str
    display: str
    is_admin: bool
    active: bool


class SessionShown(BaseModel):
    """Who is signed in, and what the page has to know before anybody is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user": None,
                    "csrf": "",
                    "first_run": False,
                    "login": True,
                    "local_accounts": True,
                    "provider": "General Hospital",
                    "password": False,
                    "password_length": 10,
                }
            ]
        }
    )
    user: UserShown | None
    csrf: str = Field(description="Send as X-CSRF-Token with every unsafe request; empty while nobody is signed in.")
    first_run: bool = Field(description="Whether the first administrator is still to be made.")
    login: bool = Field(description="False where one local person uses the service without signing in.")
    local_accounts: bool = Field(description="Whether a name and a password sign in.")
    provider: str | None = Field(description="Whose accounts sign in besides, as people call it; null for nobody's.")
    password: bool = Field(description="Whether who is signed in has a password here.")
    password_length: int = Field(description="Fewest characters of a new password.")


class ToProvider(Shape):
    """Where the page goes after signing in by the provider."""

    goes_on: Annotated[str, StringConstraints(max_length=500, pattern=r"^/([\w.?=&%~-][!-~]*)?$")] = Field(
        "/projects", description="A path of the page, never another site.", examples=["/projects/3"]
    )


class ProviderAddress(BaseModel):
    """Where the browser is to go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"location": "https://login.example/authorize?..."}]})
    location: str


class SignedOut(BaseModel):
    """Signed out here."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"location": None}]})
    location: str | None = Field(description="Where the provider's session ends; null where none is known of.")


class SignIn(Shape):
    """Name and password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "amina", "password": "four words in a row"}]},
    )
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    password: Password


class FirstAdmin(Shape):
    """The first administrator, with the token of the link that ``hemosight serve`` printed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "token": "from the link",
                    "name": "amina",
                    "display": "Dr. Amina Diallo",
                    "password": "four words in a row",
                }
            ]
        },
    )
    token: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Name
    display: Display
    password: Password


class AccountChange(Shape):
    """How a person wants to be called."""

    display: Display = Field(examples=["Dr. Amina Diallo"])


class PasswordChange(Shape):
    """The old password and the new one."""

    old: Password
    new: Password


class NewToken(Shape):
    """A token for a program."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "analyzer export", "scopes": ["write"], "project": 1, "days": 365}]},
    )
    name: Title
    scopes: list[Literal["read", "write", "admin"]] = Field(min_length=1, max_length=3)
    project: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = Field(
        None, description="The only project it is good for."
    )
    days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Days until it expires; never where null."
    )


class TokenShown(BaseModel):
    """A token, without its secret."""

    id: int
    name: str
    scopes: list[str]
    project: int | None
    created_at: datetime.datetime
    used_at: datetime.datetime | None
    expires_at: datetime.datetime | None


class TokenMade(TokenShown):
    """A new token; the only time its secret is told."""

    secret: str


class BrowserShown(BaseModel):
    """A browser that is signed in."""

    current: bool
    created_at: datetime.datetime
    seen_at: datetime.datetime
    expires_at: datetime.datetime
    agent: str


class NewUser(Shape):
    """A new account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "jonas", "display": "Jonas Weber", "password": "four words in a row"}]
        },
    )
    name: Name
    display: Display
    password: Password
    is_admin: bool = False


class UserChange(Shape):
    """What an administrator may change of an account; what is left away stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"active": False}]})
    display: Display | None = None
    active: bool | None = None
    is_admin: bool | None = None
    password: Password | None = None


class Ended(BaseModel):
    """How many were ended."""

    ended: int


class Users(BaseModel):
    """A page of accounts."""

    items: list[UserShown]
    next: int | None


class Tokens(BaseModel):
    """A person's tokens."""

    items: list[TokenShown]
    next: int | None = None


class Browsers(BaseModel):
    """A person's browsers."""

    items: list[BrowserShown]
    next: int | None = None
