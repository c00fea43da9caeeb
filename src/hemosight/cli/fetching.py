"""An export out of a running service: asked for, which is noted there, then fetched."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

Require = Callable[["httpx.Response", str], None]


@contextmanager
def exported(
    client: httpx.Client, address: str, project: int, wanted: dict[str, Any], require: Require
) -> Generator[httpx.Response]:
    """The file of an export as an answer to stream.

    Parameters
    ----------
    client
        Carries the API token, or none for a service without login.
    address
        Where the service is.
    wanted
        ``format``, ``case``, ``label_set``, ``bom``.
    require
        Raises what is to be said where an answer, from the place that is named, is no success.
    """
    root = f"{address.rstrip('/')}/api/v1"
    place = f"{root}/projects/{project}/exports"
    headers = {}
    if "Authorization" not in client.headers:
        # Without login a request has to show that it is no other web page's: only who can read the token has it.
        session = client.get(f"{root}/session")
        require(session, f"{root}/session")
        headers["X-CSRF-Token"] = session.json()["csrf"]
    made = client.post(place, json=wanted, headers=headers)
    require(made, place)
    with client.stream("GET", f"{place}/{made.json()['id']}") as answer:
        if answer.is_error:
            answer.read()
        require(answer, place)
        yield answer
