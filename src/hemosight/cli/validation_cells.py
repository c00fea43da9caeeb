"""Where the cells of a validation come from: a folder or catalog, or the signed cases of a project in a service.

Of a project come the pictures and what people said of them, over its API, cells that nobody labelled among them. What
the model reads there is left behind: it has learnt from those very labels.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hemosight.cli import signed_cells
from hemosight.cli.fetching import exported

if TYPE_CHECKING:
    import httpx

    from hemosight.errors import RequestFailed
    from hemosight.images.catalog import Catalog, Progress
    from hemosight.lab.validation.origin import Origin

Say = Callable[[str], None]
WHOLE = "whole"
"""The state of a case whose newest version stands, with every signature that it needs."""
_PAGE = 500
_LEFT_OUT = {"changed since": "they are signed again", "not by a second person yet": "the second one has signed"}
"""States of signed cases that do not count, and what would make them."""


@dataclass(frozen=True)
class SignedCase:
    """A signed case: its key, the first signature of its newest version, and its state (:data:`WHOLE`, or why not)."""

    key: str
    signature: int
    state: str


@dataclass(frozen=True)
class Source:
    """A path, or the number of a project of the service at ``address``."""

    place: str
    address: str = ""
    token: str | None = None

    @property
    def project(self) -> int | None:
        """The project's number; None for a path. A folder whose name is a number is given as ``./7``."""
        return int(self.place) if self.place.isdecimal() else None

    @contextmanager
    def open(
        self, *, say: Say, fetching: Progress | None = None, measuring: Progress | None = None
    ) -> Iterator[tuple[Catalog, Origin]]:
        """The cells as a catalog whose patients are the cases, and where they come from.

        A project's pictures lie in a folder that is gone afterwards.
        """
        from hemosight.images import sources
        from hemosight.lab.validation.origin import Origin

        if signed_cells.there(self.place):
            yield signed_cells.read(self.place, say, fetching)
            return
        if self.project is None:
            catalog, lines = sources.measured(sources.read(self.place, progress=fetching, say=say), progress=measuring)
            for line in lines:
                say(line)
            yield catalog, Origin(f"from {Path(self.place).name}")
            return
        with tempfile.TemporaryDirectory(prefix="hemosight-validate-") as folder:
            yield self._fetched(self.project, Path(folder), say, fetching)

    def _fetched(self, project: int, folder: Path, say: Say, fetching: Progress | None) -> tuple[Catalog, Origin]:
        import httpx

        from hemosight.blood.vocabulary import CELL_TYPE
        from hemosight.images.catalog import Catalog
        from hemosight.lab.validation.cells import too_few_cases
        from hemosight.lab.validation.origin import Origin

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        base = f"{self.address.rstrip('/')}/api/v1/projects/{project}"
        try:
            with httpx.Client(headers=headers, timeout=httpx.Timeout(300, connect=10)) as client:
                about = _get(client, base)
                signed = signed_cases(client, base)
                for why, then in _LEFT_OUT.items():
                    if keys := sorted(one.key for one in signed.values() if one.state == why):
                        say(f"signed, and {why}: {', '.join(keys)}; left out until {then}")
                fit = {case: one for case, one in signed.items() if one.state == WHOLE}
                if not fit:
                    raise too_few_cases(1, "no case with a signature that still holds")
                sets = _get(client, f"{base}/label-sets")["items"]
                types = upper_types(next(one["classes"] for one in sets if one["name"] == CELL_TYPE))
                records: list[dict[str, Any]] = []
                given: list[dict[str, Any] | None] = []
                for number, (case, one) in enumerate(fit.items()):
                    signed_record = _get(client, f"{base}/signatures/{one.signature}")
                    there = _case(client, base, case, one, signed_record["profile"], types, folder)
                    records += _counted(there, signed_record.get("cells") or [])
                    given += [None] if signed_record.get("cells") is None else signed_record["cells"]
                    if fetching is not None:
                        fetching(number + 1, len(fit))
                agreed, at_once = _agreed(client, base, given)
        except httpx.HTTPError as fault:
            raise _refused(base, str(fault) or type(fault).__name__) from fault
        labelled = sum(row["subtype"] is not None for row in records)
        say(f"{len(fit)} signed cases of project {project}, {len(records):,} cells, {labelled:,} labelled by people")
        origin = Origin(f"signed in project {project} ({about['name']})", True, agreed, at_once, types)
        return Catalog.scan(records), origin


def signed_cases(client: httpx.Client, base: str) -> dict[int, SignedCase]:
    """Every signed case by number, in the order of first signatures, with what its newest version is."""
    keys = {one["id"]: one["key"] for one in _pages(client, f"{base}/cases")}
    found: dict[int, SignedCase] = {}
    for one in _get(client, f"{base}/signatures")["items"]:
        case = one["case"]
        if case not in keys:
            continue
        first = one["id"] if one["role"] == "first" or case not in found else found[case].signature
        half = one["role"] == "first" and one["second_wanted"]
        state = "changed since" if not one["current"] else "not by a second person yet" if half else WHOLE
        found[case] = SignedCase(keys[case], first, state)
    return found


def upper_types(classes: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Every type of a laboratory as it is counted: merged ones and finer ones as what they count as, None if excluded.

    Where a type stands and whether it counts is the laboratory's word, as on its reports.
    """
    of = {one["name"]: one for one in classes}

    def upper(name: str) -> str | None:
        one = of[name]
        if one.get("merged_into") in of:
            return upper(one["merged_into"])
        if one["counts"] == "excluded":
            return None
        return upper(one["parent"]) if one.get("parent") in of else name

    return {name: upper(name) for name in of}


def _case(
    client: httpx.Client,
    base: str,
    case: int,
    signed: SignedCase,
    profile: Any,
    types: Mapping[str, str | None],
    folder: Path,
) -> list[dict[str, Any]]:
    """One case's cells: pictures into ``folder``, and a record of each, of the scanner profile as signed.

    A cell that nobody labelled has neither label nor subtype; one that somebody was unsure of, or that is not counted,
    has a subtype alone. Whatever scale the scanner got since, a signed case's cells stay as they were read. Records of
    before there were profiles name none; then the case's profile of now says it.
    """
    from hemosight.images import archive
    from hemosight.images.sources.cells import read_cells

    packed, place = folder / f"{case}.zip", folder / str(case)
    address, _, project = base.partition("/api/v1/projects/")
    wanted = {"format": "folder", "case": case}
    with exported(client, address, int(project), wanted, _require) as answer, packed.open("wb") as file:
        for piece in answer.iter_bytes():
            file.write(piece)
    archive.unpack(packed, place)
    packed.unlink()
    said = read_cells(place / "labels.csv")
    labels = {place / row["path"]: row["label"] or None for _, row in said.rows()}
    tables = {place / "labels.csv", place / "readings.csv"}
    unlabelled = [path for path in sorted(place.rglob("*")) if path.is_file() and path not in labels.keys() | tables]
    if profile is None:
        known = _get(client, f"{base}/profiles", case=case)
        profile = next(one for one in known["items"] if one["id"] == known["of_case"])
    scanner, scale = str(profile["name"]), float(profile["scale"])
    return [
        {
            "path": str(path),
            "label": None if label is None else types.get(label),
            "subtype": label,
            "source": scanner,
            "patient": signed.key,
            "scale": scale,
        }
        for path, label in [*labels.items(), *((path, None) for path in unlabelled)]
    ]


def _counted(records: list[dict[str, Any]], cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Without the cells that lay outside the count when the case was signed: its differential is not of them."""
    outside = {cell["sha256"] for cell in cells if cell.get("outside")}
    if not outside:
        return records
    return [row for row in records if hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest() not in outside]


def _agreed(
    client: httpx.Client, base: str, given: Sequence[Mapping[str, Any] | None]
) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Content ids of cells whose label was given by agreeing with the reading, and of those in one step with others.

    ``given`` are the cells of signed records; None for a record of before cells were kept in them: then nobody knows.
    Labels of one step were stored at one moment by one person; those of an accepted group are among both.
    """
    from hemosight.blood.vocabulary import CELL_TYPE

    records = [one for one in _pages(client, f"{base}/labels", limit=_PAGE) if one["kind"] in ("agree", "group")]
    steps = {one["id"]: (one["user"], one["at"]) for one in records if one["label_set"] == CELL_TYPE}
    if None in given:
        return None, frozenset()
    size = Counter(steps.values())
    grouped = {one["id"] for one in records if one["kind"] == "group"}
    agreed = {cell["sha256"]: cell["version"] for cell in given if cell and cell["version"] in steps}
    at_once = {cell for cell, one in agreed.items() if one in grouped or size[steps[one]] > 1}
    return frozenset(agreed), frozenset(at_once)


def _pages(client: httpx.Client, place: str, **query: Any) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = _get(client, place, after=after, **query)
        yield from page["items"]
        after = page.get("next")


def _get(client: httpx.Client, place: str, **query: Any) -> Any:
    answer = client.get(place, params=query)
    _require(answer, place)
    return answer.json()


def _require(answer: httpx.Response, place: str) -> None:
    if answer.is_error:
        answer.read()
        raise _refused(place, f"status {answer.status_code}: {answer.text[:300]}")


def _refused(place: str, came: str) -> RequestFailed:
    from hemosight.errors import RequestFailed

    return RequestFailed(
        code="export_failed",
        expected=f"signed cases from {place}",
        came=came,
        mend="Start the service, or say where it is (--address) and who asks (--token, HEMOSIGHT_TOKEN).",
    )
