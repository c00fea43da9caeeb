"""The layout beyond what `lint-imports` holds: nothing that reads needs torch, no room is a junk drawer."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "hemosight"
SVG = "{http://www.w3.org/2000/svg}"
TORCH = {"torch", "torchvision", "timm", "onnx", "onnxscript"}
NOT_ROOMS = {"utils", "util", "core", "common", "helpers", "misc"}


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "reference" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def test_reading_never_imports_torch() -> None:
    reading = ", ".join(
        f"hemosight.{room}" for room in ("engine.engine", "lab.packing", "demo", "sheet", "lab.benchmark", "cli")
    )
    program = f"import sys, {reading}; print({TORCH!r} & {{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_command_line_starts_without_heavy_imports() -> None:
    program = "import sys, hemosight.cli; sys.exit(bool({'numpy', 'polars', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_room_is_a_junk_drawer() -> None:
    names = {part for file in _modules() for part in file.relative_to(SOURCE).with_suffix("").parts}
    assert not names & NOT_ROOMS


make_rooms: Any = _script("make_rooms")


def test_the_page_of_rooms_is_up_to_date() -> None:
    assert make_rooms.PAGE.read_text(encoding="utf-8") == make_rooms.page(), "run: python docs/reference/make_rooms.py"


@pytest.mark.parametrize("contract", make_rooms.contracts(), ids=lambda contract: contract.room or "all")
def test_pictures_of_the_contracts_are_up_to_date(contract: Any) -> None:
    drawn = contract.picture.read_text(encoding="utf-8")
    assert drawn == make_rooms.picture(contract), "run: python docs/reference/make_rooms.py"
    names = [member for layer in contract.layers for member in layer]
    assert [box.text for box in ElementTree.fromstring(drawn).iter(f"{SVG}text")][: len(names)] == names  # noqa: S314
    assert contract.picture.name in make_rooms.PAGE.read_text(encoding="utf-8")


def test_every_room_and_no_other_is_in_the_contract() -> None:
    rooms = {file.relative_to(SOURCE).with_suffix("").parts[0] for file in _modules()} - {"__init__", "__main__"}
    assert {member for layer in make_rooms.contracts()[0].layers for member in layer} == rooms


def test_modules_that_the_page_of_rooms_points_at_are_there() -> None:
    assert [module for _, module, _ in make_rooms.QUESTIONS if not (SOURCE / module).is_file()] == []


def test_at_most_ten_names_are_exported() -> None:
    import hemosight

    assert len(hemosight.__all__) <= 10
    assert all(getattr(hemosight, name) is not None for name in hemosight.__all__)
