"""A page as a screen reader has it: its accessibility tree, and what in it would leave a listener lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from playwright.sync_api import Locator

_LINE = re.compile(
    r'(?P<in> *)- (?P<role>[a-z]+)(?: (?P<name>"(?:[^"\\]|\\.)*"))?(?P<states>(?: \[[^]]*\])*)(?:: ?(?P<text>.*))?$'
)
_ACTS = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "slider", "spinbutton", "menuitem"}
"""Roles of what one acts on."""
_AROUND = {"main", "banner", "region", "navigation", "complementary", "form", "group", "toolbar", "dialog", "article"}
_AROUND |= {"row", "menu", "figure"}
"""Roles that a reader names on the way in: the same name in two of them is told apart."""
_WORD = re.compile(r"[^\W\d_]{2}")


@dataclass
class Node:
    """One thing that is read out, with what lies within it."""

    role: str
    name: str = ""
    text: str = ""
    states: str = ""
    url: str = ""
    parts: list[Node] = field(default_factory=list)

    def all(self, *roles: str) -> list[Node]:
        """Everything within it of these roles, in reading order; of any where none is given."""
        within = [node for part in self.parts for node in (part, *part.all())]
        return [node for node in within if not roles or node.role in roles]

    @property
    def level(self) -> int:
        """Level of a heading."""
        found = re.search(r"level=(\d)", self.states)
        return int(found[1]) if found else 0


def tree(snapshot: str) -> Node:
    """Parse what Playwright's ``aria_snapshot`` gives.

    Raises
    ------
    ValueError
        A line is not of the form ``- role "name" [states]: text``.
    """
    root = Node("root")
    above = [root]
    for line in snapshot.splitlines():
        bare = line.strip()
        if bare.startswith("- /"):
            if bare.startswith("- /url:"):
                above[-1].url = bare.removeprefix("- /url:").strip()
            continue
        # YAML puts a key with a colon in it into single quotes.
        if bare.startswith("- '"):
            key, _, rest = bare[3:].replace("''", "\0").partition("'")
            line = f"{line[: line.index('-')]}- {key}{rest}".replace("\0", "'")
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f'a line of an accessibility tree is - role "name" [states]: text; came: {line}')
        depth = len(found["in"]) // 2
        name = json.loads(found["name"]) if found["name"] else ""
        node = Node(found["role"], name, (found["text"] or "").strip('"'), found["states"])
        del above[depth + 1 :]
        above[depth].parts.append(node)
        above.append(node)
    return root


def heard(place: Locator) -> Node:
    """What a screen reader has of a part of the page, as it is now."""
    return tree(place.aria_snapshot())


def faults(page: Node, keys: tuple[str, ...] = ()) -> list[str]:
    """What would leave a listener lost, in words; ``keys`` are names of cases, which may be numbers alone."""
    found = _of_structure(page)
    for node in page.all(*_ACTS, "img", "dialog"):
        if not _WORD.search(node.name) and node.name not in keys:
            found.append(f"{node.role} {node.name!r} has no name in words")
    for cell in [cell for box in page.all("listbox") for cell in box.all("option")]:
        if not re.match(r"Cell \d+, \w+.*, (read by model|labelled|not read)", cell.name):
            found.append(f"option {cell.name!r} does not say which cell of which type in which state")
    for term in page.all("term"):
        if not (term.name or term.text or term.parts):
            found.append("a term is empty")
    for table in page.all("table"):
        if not table.all("columnheader", "rowheader"):
            found.append(f"table {table.name!r} has no header")
    return found + _alike(page)


def _of_structure(page: Node) -> list[str]:
    found = []
    if len(page.all("main")) != 1:
        found.append(f"{len(page.all('main'))} main landmarks")
    levels = [heading.level for heading in page.all("heading")]
    if levels.count(1) != 1 or levels[0] != 1:
        found.append(f"headings {levels}: one of level 1, and it comes first")
    for before, after in pairwise(levels):
        if after > before + 1:
            found.append(f"a heading of level {after} follows one of level {before}")
    return found


def _alike(place: Node) -> list[str]:
    """Of buttons and links: those that one cannot tell apart where they stand together."""
    together: list[Node] = []
    found: list[str] = []

    def walk(node: Node) -> None:
        for part in node.parts:
            if part.role in _AROUND:
                found.extend(_alike(part))
                continue
            if part.role in ("button", "link", "option") and part.name:
                together.append(part)
            walk(part)

    # The items of a select are its own.
    if place.role != "combobox":
        walk(place)
    counts = Counter((node.role, node.name, node.url) for node in together if node.role != "option")
    names = Counter((node.role, node.name) for node in together if node.role != "option")
    for (role, name), count in names.items():
        same_link = role == "link" and sum(1 for key in counts if key[:2] == (role, name)) == 1
        if count > 1 and not same_link:
            found.append(f"{count} times {role} {name!r} in {place.role} {place.name!r}")
    return found
