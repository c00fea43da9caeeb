"""Write docs/reference/threats.md, with its table of attacks from the tests: ``python docs/reference/make_threats.py``.

A test that stands for an attack carries ``@pytest.mark.attack(who=..., what=..., held=...)``. ``tests/test_threats.py``
fails when the page is out of date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

PAGE = Path(__file__).with_name("threats.md")
ROOT = Path(__file__).parents[2]
_HEAD = """\
# Threat model of the review service

Written by `python docs/reference/make_threats.py`; the table of attacks is made from the tests that carry them out.

## What is worth protecting

| what | why |
|---|---|
| pictures of cells, file names, case keys, accession numbers | they may lead to a patient |
| labels, signatures, the audit trail | a diagnosis may lean on them: who said what, when, under which model |
| accounts, sessions, tokens | they speak in a person's name |
| the service itself | reviewers wait for it |

## Who is expected

| who | can | is trusted with |
|---|---|---|
| a stranger on the network | send anything to the port | nothing |
| another web page in a reviewer's browser | send requests with the reviewer's cookies | nothing |
| a member of a project | look, or review, or administer it, by role | that project, within the limits of the machine |
| a program with a token | what its account may, within scopes | as its account, without the account itself |
| an administrator of the service | everything through the API | accounts and every project; not with changing records |
| another account of the machine | read what is open to all, write to the temporary folder | nothing |
| whoever runs the service (its account, root) | everything | everything: no defence is tried, traces stay in backups |
| accidents | kill any process at any moment, fill the disk, set the clock | nothing acknowledged may be lost |

## Where the borders are

1. **The port.** Hosts, sizes and origins are checked before a request is parsed; who sends it, before more than 64 kB
   are read. TLS ends in a proxy or here (`tls_certificate`); without it the service listens on loopback, or on a
   network you trust.
2. **The decoder.** Pictures and archives come from strangers' machines. Formats, sizes and work are limited before
   decoding; whatever one picture does, it costs its own row, unless a native decoder crashes
   ([what follows then](../decisions/0015-decoders.md)).
3. **The database.** The embedded PostgreSQL listens on a socket in the data directory, which only its account may
   enter. Records are append-only by triggers.
4. **The data directory and backups.** They hold everything, unencrypted: keep them on an encrypted disk. Secrets in
   them are hashes.
5. **The provider** that people sign in by, where there is one: its ID tokens are believed when they are signed by its
   keys, for this client, of now and of this sign-in; its `sub` says who somebody is, its groups what they may.
6. **The log.** Numbers, routes and times; nothing that was typed or uploaded.

## What is not held

- Whoever has the service's account or root on the machine reads and changes everything.
- A reviewer may label wrongly on purpose; the trail says who did, it does not prevent it.
- Panels and marked sets are blind on the page. Who may review the project can ask the API for a cell's label and
  reading all the same: keep a marked set in a project of its own.
- Whoever rules the provider, or its signing keys, comes in as anybody it names. An account that is closed there goes
  on here until its session ends; deactivate it here as well.
- Numbered projects (`names`) do not look for what is burnt into pixels or written into comments.
- A flood of connections from many addresses: put a proxy in front that limits them. What one address may hold, and how
  slowly it may send, is limited here (`connections_address`, `request_seconds`).
- Manifests are for everybody with an account: by which commands a bundle was made and a validation was run, from which
  sources, on which machine. The page and the API show a bundle's to whoever signs in, of a path from the root its last
  part alone; a bundle's file and a dossier hold it whole. Passwords and tokens are masked when a command is recorded
  (`cli/typed.py`); names of folders, files and options stand there as they were typed, so name none after a patient.
- A side channel by which the model's support set could be drawn out of its readings has not been looked for.
- Dependencies are pinned with hashes. `make audit` asks pip-audit and npm for their known faults, at every push and
  before every release, and a known one ends either. Where no advisory source can be reached it says so, which is no
  all-clear.

## Attacks that are tried in the tests

| who | tries | how it is held | test |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Attack:
    """What a test stands for."""

    who: str
    what: str
    held: str
    test: str


def attacks() -> Iterator[Attack]:
    """Every attack that a test carries out, in the order of files and lines."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if "mark.attack(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.attack":
                    given = {word.arg: ast.literal_eval(word.value) for word in decorator.keywords}
                    yield Attack(**given, test=f"{file.relative_to(ROOT).as_posix()}::{node.name}")


def page() -> str:
    """The page, as Markdown."""
    cells = ([one.who, one.what, one.held, f"`{one.test}`"] for one in attacks())
    return _HEAD + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in cells)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    typer.echo(PAGE)
