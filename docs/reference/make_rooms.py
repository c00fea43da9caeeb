"""Write docs/reference/rooms.md and its pictures from the import contracts: ``python docs/reference/make_rooms.py``.

The pictures are the ``layers`` contracts of ``[tool.importlinter]`` in pyproject.toml, which ``make check`` holds the
code to; the tables are the first sentences of the modules' docstrings. ``tests/test_rooms.py`` fails when either is out
of date.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hemosight"
PAGE = Path(__file__).with_name("rooms.md")
WIDTH, ROW, GAP, SIDE = 760, 40, 8, 70
"""Of a picture, in pixels: its width, the height of a layer, the room between layers, the arrows' margins."""

_HEAD = """\
# Rooms

Written by `python docs/reference/make_rooms.py`; edit the contracts, the docstrings or that script, not this page.

What lives where, and who may import whom. Data flow one way:

    files -> images -> views -> encoder -> embeddings -> { classifier, neighbours, landscape, explanation }
                                   \\________ packed into ________/
                                             one BUNDLE  ->  ENGINE  ->  readings

Everything left of the bundle may need PyTorch. Nothing right of it does.

![Layers of imports](rooms.svg)

A room imports only what lies below it; rooms of one layer do not import one another. The picture is drawn from the
contracts in `pyproject.toml` (`[tool.importlinter]`), and `make check` holds the code to them. Why it is so:
[three houses on one core](../decisions/0008-three-houses.md).
"""
QUESTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "a file's bytes become pixels",
        "images/preprocess.py",
        "`Preprocessing`, for every way to read a crop",
    ),
    ("pixels become an embedding", "engine/network.py", "`Network`"),
    (
        "an embedding becomes a reading",
        "engine/engine.py",
        "`Engine`; its classifiers: `space/linear_classifier.py`",
    ),
    (
        "a label changes the readings",
        "space/incremental_lda.py",
        "the sums that a label is added to, and the refit; in the service: when, and of which cells, by "
        "`service/desk/learner.py`",
    ),
    ("a label is stored", "service/storage/labels.py", "append-only; nobody is overwritten unseen"),
    ("a type gets its letter and colour", "blood/palette.py", "one palette for page, report and contact sheet"),
    ("a type is counted", "blood/differential.py", "with its Wilson interval, `blood/intervals.py`"),
    ("a reading is judged", "scoring/metrics.py", "F1, calibration, bootstrap: one scorer for service and laboratory"),
    ("a job is queued", "service/work/jobs.py", "in the transaction that stores the image"),
    (
        "a job is tried again",
        "service/work/jobs.py",
        "`retry_stalled`; [how](../decisions/0007-jobs.md#when-a-worker-dies)",
    ),
    ("a browser hears of a change", "service/events.py", "server-sent events, from `service/storage/events.py`"),
    (
        "an encoder is trained",
        "training/supervised.py",
        "with labels; without: `training/pretrain.py`; both by the loop in `training/trainer.py`",
    ),
    ("a bundle is made", "lab/packing.py", "read again by `engine/bundle.py`"),
    ("a fault has its kind and code", "errors.py", "its text is where it is raised; as an answer: `service/faults.py`"),
)
"""What happens, the module where it does, and what to look for there."""


@dataclass(frozen=True)
class Contract:
    """A ``layers`` contract: the room it is about (empty for the whole package), its layers from the top."""

    room: str
    name: str
    layers: tuple[tuple[str, ...], ...]

    @property
    def picture(self) -> Path:
        """Where its picture is written."""
        return Path(__file__).with_name(f"rooms{'-' + self.room.replace('.', '-') if self.room else ''}.svg")


def contracts() -> list[Contract]:
    """The layers contracts of pyproject.toml, that of the whole package first."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    found = []
    for contract in tool["contracts"]:
        if contract["type"] == "layers":
            for container in contract.get("containers", [tool["root_package"]]):
                room = container.removeprefix(tool["root_package"]).removeprefix(".")
                layers = tuple(_members(layer, container) for layer in contract["layers"])
                found.append(Contract(room, contract["name"], layers))
    return sorted(found, key=lambda contract: contract.room)


def _members(layer: str, container: str) -> tuple[str, ...]:
    members = re.split(r"\s*[|:]\s*", layer.strip())
    return tuple(member.strip("()").removeprefix(f"{container}.") for member in members)


def picture(contract: Contract) -> str:
    """A contract as SVG: a row a layer, a box a room; data flow up, imports run down."""
    height = len(contract.layers) * (ROW + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' role="img" font-family="sans-serif" font-size="13">',
        f"<title>{escape(contract.name)}</title>",
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto-start-reverse">'
        '<path d="M0 0 8 4 0 8z" fill="#5c6370"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for row, members in enumerate(contract.layers):
        parts += _boxes(members, GAP + row * (ROW + GAP))
    middle = height // 2
    for x, label, ends in ((SIDE // 2, "data", "start"), (WIDTH - SIDE // 2, "imports", "end")):
        parts.append(
            f'<path d="M{x} {2 * GAP}V{height - 2 * GAP}" stroke="#5c6370" fill="none" marker-{ends}="url(#head)"/>'
        )
        parts.append(
            f'<text x="{x}" y="{middle}" dy="-6" text-anchor="middle" fill="#5c6370"'
            f' transform="rotate(-90 {x} {middle})">{label}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _boxes(members: Sequence[str], y: int) -> Iterator[str]:
    # As wide as their names, so that a row of many still has room for a long one.
    inside = WIDTH - 2 * SIDE - GAP * (len(members) - 1)
    letters = [len(member) + 3 for member in members]
    x = float(SIDE)
    for member, count in zip(members, letters, strict=True):
        width = inside * count / sum(letters)
        yield (
            f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{ROW}" rx="4" fill="#eef1fb" stroke="#4051b5"/>'
            f'<text x="{x + width / 2:.0f}" y="{y + ROW / 2 + 5:.0f}" text-anchor="middle" fill="#1d2230">'
            f"{escape(member)}</text>"
        )
        x += width + GAP


_DOCSTRING = re.compile(r'[rR]?"""(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL)


def sentence(module: Path) -> str:
    """The first paragraph of a module's docstring, as a cell of a Markdown table."""
    # The first statement alone: parsing four hundred whole modules takes a second.
    first = _DOCSTRING.match(module.read_text(encoding="utf-8"))
    docstring = ast.get_docstring(ast.parse(first[0])) or "" if first else ""
    plain = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", " ".join(docstring.split("\n\n")[0].split()))
    return re.sub(r"``([^`]*)``", r"`\1`", plain).replace("|", "\\|").replace("<", "\\<")


def page() -> str:
    """The page, as Markdown."""
    inner = {contract.room: contract for contract in contracts() if contract.room}
    parts = [_HEAD, "## Where things happen\n", "| where | module | look for |", "|---|---|---|"]
    parts += [f"| {what} | `{module}` | {see} |" for what, module, see in QUESTIONS]
    for room in _rooms():
        parts += ["", f"## {room.name}\n", sentence(room / "__init__.py"), ""]
        if contract := inner.get(room.name):
            parts += [f"![{contract.name}]({contract.picture.name})", ""]
        parts += ["| module | what it holds |", "|---|---|"]
        parts += [f"| `{name}` | {sentence(module)} |" for name, module in _modules(room)]
    return "\n".join(parts) + "\n"


def _rooms() -> list[Path]:
    """The rooms in the order of the layers, from the top."""
    order = [member for layer in contracts()[0].layers for member in layer]
    rooms = [folder for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file()]
    return sorted(rooms, key=lambda folder: order.index(folder.name))


def _modules(room: Path) -> Iterator[tuple[str, Path]]:
    """Modules of a room by path, an inner room by its ``__init__``; migrations are numbered, and told as one."""
    for module in sorted(room.rglob("*.py"), key=lambda file: file.with_suffix("").parts):
        name = module.relative_to(room).as_posix()
        if module.parent == room and module.name == "__init__.py":
            continue
        if "migrations/" not in name:
            yield name.replace("__init__.py", ""), module


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    for drawn in contracts():
        drawn.picture.write_text(picture(drawn), encoding="utf-8")
