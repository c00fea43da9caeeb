"""Which account a person of the provider is, and what their groups give.

Accounts belong to the provider's ``sub``, which never changes and is never given to another. A name, or an e-mail
address, says nothing: people change them, and some providers let them choose. So nobody comes into an account that
exists by being called like it; its owner connects the two once, signed in here.
"""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from hemosight.service.oidc import Claims, SignInDenied
from hemosight.service.security.permissions import ROLES, Person, Seat
from hemosight.service.settings import Settings
from hemosight.service.storage import audit, identities, sign_ins, tries, users
from hemosight.service.storage.tables import User

_UNFIT = re.compile(r"[^\w.@+-]")
ADMINISTRATOR = "administrator"
_RANK: dict[str, int] = {role: rank for rank, role in enumerate(ROLES)}


def enter(session: Session, settings: Settings, claims: Claims, address: str) -> User:
    """The account of a person, a new one where there is none, with the rights that the groups give.

    Raises :class:`~hemosight.service.oidc.SignInDenied`; what it changed before then is to be kept.
    """
    issuer = settings.oidc_issuer or ""
    identities.take_turn(session)
    user = identities.known(session, issuer, claims.subject)
    if settings.oidc_groups and not claims.groups & settings.oidc_groups.keys():
        if user is not None:  # who left the groups is out everywhere, at once
            sign_ins.end_all(session, user.id)
            tries.forget_devices(session, user.id)
        raise SignInDenied("group", "a person in none of the groups")
    if user is None:
        user = _new(session, issuer, claims, address)
    if not user.active:
        raise SignInDenied("inactive", "an account that is inactive")
    if settings.oidc_groups:
        _give(session, settings, user, claims, address)
    return user


def connect(session: Session, settings: Settings, claims: Claims, seat: Seat) -> User:
    """Make a person of the provider the account that is signed in here. Raises as :func:`enter`."""
    issuer = settings.oidc_issuer or ""
    identities.take_turn(session)
    owner = identities.known(session, issuer, claims.subject)
    if owner is not None and owner.id != seat.user.id:
        raise SignInDenied("taken", "the provider's account is another one here")
    if owner is None:
        identities.connect(session, issuer, claims.subject, seat.user.id)
        audit.note(session, seat, "account.connect", {"user": seat.user.id})
    return users.get(session, seat.user.id)


def _new(session: Session, issuer: str, claims: Claims, address: str) -> User:
    name = _UNFIT.sub("-", claims.name.strip())[:64]
    if not name:
        raise SignInDenied("name", "a person without a name to sign in with")
    # `erased-7` and `local` are HemoSight's own.
    if users.named(session, name) is not None or name.lower() == users.LOCAL or name.lower().startswith(users.ERASED):
        raise SignInDenied("name", "a name that another account has")
    try:
        display = users.printed(claims.display)
    except ValueError:
        display = ""
    user = users.add(session, name, display, None, is_admin=False)
    identities.connect(session, issuer, claims.subject, user.id)
    audit.note(session, _seat(user, address), "user.create", {"user": user.id, "by": "provider"})
    return user


def _give(session: Session, settings: Settings, user: User, claims: Claims, address: str) -> None:
    rights = {right for group in claims.groups for right in settings.oidc_groups.get(group, [])}
    named = {right for listed in settings.oidc_groups.values() for right in listed} - {ADMINISTRATOR}
    wanted: dict[int, str | None] = {int(right.partition(":")[2]): None for right in named}
    for right in rights - {ADMINISTRATOR}:
        role, _, number = right.partition(":")
        before = wanted[int(number)]
        wanted[int(number)] = max(role, before or role, key=_RANK.__getitem__)
    subject: dict[str, object] = {"user": user.id, "by": "provider"}
    # A right that no group gives is none of the provider's business; nor does it take the last administrator away.
    administered = any(ADMINISTRATOR in listed for listed in settings.oidc_groups.values())
    last = user.is_admin and users.is_last_administrator(session, user.id)
    if administered and user.is_admin != (ADMINISTRATOR in rights) and not last:
        user.is_admin = ADMINISTRATOR in rights
        audit.note(session, _seat(user, address), "user.change", {**subject, "is_admin": user.is_admin})
    for project, role in identities.set_roles(session, user.id, wanted).items():
        action = "member.remove" if role is None else "member.set"
        audit.note(session, _seat(user, address), action, {**subject, "role": role}, project)


def _seat(user: User, address: str) -> Seat:
    return Seat(Person(user.id, user.name, user.display, user.is_admin), address, frozenset())
