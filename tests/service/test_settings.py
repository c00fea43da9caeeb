"""Settings: where they come from, which wins, what is refused; and that every one is documented."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from hemosight.errors import PathMissing
from hemosight.service.errors import ServiceFault
from hemosight.service.settings import PREFIX, Settings, defaults, is_loopback, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_the_page_of_settings_is_up_to_date() -> None:
    file = ROOT / "docs" / "reference" / "make_settings.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.PAGE.read_text(encoding="utf-8") == make.page(), "run: python docs/reference/make_settings.py"


def test_every_setting_says_what_it_is() -> None:
    fields = Settings.model_fields
    assert [name for name, field in fields.items() if not (field.description or "").endswith(".")] == []
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in fields if f"`{PREFIX}{name.upper()}`" not in page] == []


def test_every_setting_is_heeded() -> None:
    service = ROOT / "src" / "hemosight" / "service"
    text = "\n".join(file.read_text(encoding="utf-8") for file in service.rglob("*.py") if file.name != "settings.py")
    unheeded = [
        name for name in Settings.model_fields if not re.search(rf"settings\.{name}\b|[({{,] ?\"{name}\"", text)
    ]
    assert unheeded == []


def test_an_option_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml, env = tmp_path / "hemosight.toml", tmp_path / "service.env"
    toml.write_text('port = 1111\nworkers = 3\nallowed_hosts = ["a.example"]\nlogin_tries = 7\n')
    env.write_text("HEMOSIGHT_PORT=1112\nHEMOSIGHT_WORKERS=4\n")
    monkeypatch.setenv("HEMOSIGHT_WORKERS", "2")
    told = load(toml, port=2222)
    assert (told.port, told.workers, told.allowed_hosts, told.login_tries) == (2222, 2, ["a.example"], 7)
    assert (load(env).port, load(env).workers) == (1112, 2)
    assert load().port == defaults().port == 8321


@pytest.mark.parametrize(
    ("text", "named"),
    [("prot = 1\n", "prot"), ("port = 70000\n", "port"), ("port = \n", "hemosight.toml"), ("login = 5\n", "login")],
)
def test_a_slip_of_the_pen_is_refused_by_name(text: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "hemosight.toml"
    file.write_text(text)
    with pytest.raises(ServiceFault, match=named):
        load(file)


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PathMissing):
        load(tmp_path / "gone.toml")


def test_the_database_address_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMOSIGHT_DATABASE", "postgresql://me:pass-phrase@db/hemosight")
    told = load()
    assert told.database is not None
    assert told.database.get_secret_value().endswith("@db/hemosight")
    assert "pass-phrase" not in f"{told!r}{told}{told.model_dump_json()}"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "lab.example"])  # noqa: S104 -- refused
def test_nobody_listens_widely_without_login(host: str) -> None:
    with pytest.raises(ServiceFault, match="loopback"):
        load(host=host, login=False)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 -- compared
        ("localhost.evil.example", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_what_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local
