"""The folder of the embedded PostgreSQL's socket, where it lies among those of strangers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hemosight.service.errors import ServiceFault
from hemosight.service.storage import account

pytestmark = pytest.mark.service


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, bool]]:
    """What root gives away, and whether a link would be followed; nothing is."""
    gifts: list[tuple[Path, bool]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "as_account", lambda: {"user": 4711, "group": 4711, "extra_groups": []})
    monkeypatch.setattr(account, "let_run", lambda account: None)
    monkeypatch.setattr(
        os, "chown", lambda path, user, group, *, follow_symlinks=True: gifts.append((path, follow_symlinks))
    )
    return gifts


@pytest.mark.attack(
    who="another account of the machine",
    what="puts a link where root's HemoSight keeps its socket, so that root gives away what it leads to",
    held="who owns the folder is looked at before it is given, and no link is followed",
)
@pytest.mark.parametrize("what", ["a link", "a link to nothing", "a file"])
def test_what_a_stranger_put_there_is_refused_and_not_given_away(
    tmp_path: Path, given: list[tuple[Path, bool]], what: str
) -> None:
    cluster, sockets, theirs = tmp_path / "cluster", tmp_path / "sockets", tmp_path / "theirs"
    cluster.mkdir()
    if what == "a file":
        sockets.touch()
    else:
        sockets.symlink_to(theirs)
    if what == "a link":
        theirs.mkdir()
    with pytest.raises(ServiceFault, match="somebody else"):
        account.socket_folder(sockets, cluster)
    assert given == []


def test_a_new_folder_is_the_accounts(tmp_path: Path, given: list[tuple[Path, bool]]) -> None:
    cluster, sockets = tmp_path / "cluster", tmp_path / "sockets"
    cluster.mkdir()
    for _ in range(2):  # the second start finds it
        account.socket_folder(sockets, cluster)
    assert given == [(sockets, False)] * 2
    assert sockets.stat().st_mode & 0o777 == 0o700
