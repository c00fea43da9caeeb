"""The documentation holds: the page of commands is theirs, links lead somewhere, command lines can be typed."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import pytest
import typer

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.is_file()]
_SHELL = {"", "console", "bash", "sh", "shell", "text"}
_RUNNERS = {"nice", "time", "torchrun"}
"""Programs that are told a program to run."""
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What a command line that cannot be parsed raises; typer exports only its child."""


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_cli = _load(ROOT / "docs" / "reference" / "make_cli.py")
COMMANDS: dict[str, Any] = dict(make_cli.commands())


@pytest.fixture(scope="module")
def cli_page() -> str:
    """The page of commands as it would be written now; making it takes a tenth of a second."""
    return make_cli.page()


class Colour(Enum):
    """Choices of a toy command."""

    RED = "red"
    BLUE = "blue"


# --- the page of commands ---


def test_the_page_of_commands_is_up_to_date(cli_page: str) -> None:
    written = make_cli.PAGE.read_text(encoding="utf-8")
    assert written == cli_page, "run: python docs/reference/make_cli.py"


def test_the_page_of_files_is_up_to_date() -> None:
    make_files = _load(ROOT / "docs" / "reference" / "make_files.py")
    written = make_files.PAGE.read_text(encoding="utf-8")
    assert written == make_files.page(), "run: python docs/reference/make_files.py"


def test_every_command_and_option_has_help() -> None:
    without = [name for name, command in COMMANDS.items() if not (command.help or "").strip().endswith(".")]
    assert without == [], "a sentence"
    params = [(name, param) for name, command in COMMANDS.items() for param in command.params]
    assert [f"{name}: {param.name}" for name, param in params if not (param.help or "").strip()] == []


def test_every_option_stands_on_the_page(cli_page: str) -> None:
    for name, command in COMMANDS.items():
        section = cli_page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for param in command.params:
            options = [option for option in (*param.opts, *param.secondary_opts) if option[0] == "-"]
            assert all(f"`{option}`" in section for option in options), f"{name}: {param.name}"
            assert param.help.replace("|", "\\|").replace("<", "\\<") in section, f"{name}: {param.name}"


def test_the_page_says_what_an_option_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = typer.Typer(help="A toy.")

    @toy.command("paint")
    def paint(
        _files: Annotated[list[Path], typer.Argument(metavar="FILES", help="What to paint.")],
        colour: Annotated[Colour, typer.Option("--colour", help="With which.")] = Colour.RED,
        coats: Annotated[int | None, typer.Option("--coats", min=1, help="How | often.")] = None,
        thick: Annotated[Literal["thin", "fat"], typer.Option("--thick", help="How thick.")] = "thin",
        skip: Annotated[list[str] | None, typer.Option("--skip", help="What to leave.")] = None,
        dry: Annotated[bool, typer.Option("--dry/--wet", help="Whether to wait.")] = False,
        secret: Annotated[bool, typer.Option("--secret", hidden=True, help="Not shown.")] = False,
    ) -> None:
        """Paint files."""

    @toy.command("hush", hidden=True)
    def hush() -> None:
        """Say nothing."""

    monkeypatch.setattr(make_cli, "app", toy)
    page = make_cli.page()
    assert "| `--coats` | whole number, at least 1 |  | How \\| often. |" in page
    assert "| `--thick` | thin or fat | `thin` | How thick. |" in page
    assert "| `--skip` | text, repeatable |  | What to leave. |" in page
    assert "| `--dry`, `--wet` |  |  | Whether to wait. |" in page
    assert "| `--colour` | red or blue |" in page
    assert "secret" not in page
    assert "hush" not in page


# --- links ---


def _links(text: str) -> Iterator[str]:
    """Targets of links and pictures outside of code."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.S | re.M)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    for pattern in (r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", r"^\[[^\]]+\]:\s*(\S+)", r"(?:src|href)=\"([^\"]+)\""):
        yield from (match[1] for match in re.finditer(pattern, prose, flags=re.M))


def _anchors(text: str) -> set[str]:
    """Names that headings have, as GitHub makes them."""
    headings = re.findall(r"^#+\s+(.+?)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """Links of a page to files that are not there, or to headings that are not in them."""
    found = []
    for link in _links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        target, _, anchor = unquote(link).partition("#")
        file = (page.parent / target) if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file.read_text())):
            found.append(link)
    return found


def test_links_lead_somewhere() -> None:
    found = {str(page.relative_to(ROOT)): broken(page) for page in PAGES}
    assert {page: links for page, links in found.items() if links} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading: of `two` parts\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-of-two-parts) [c](gone.md) ![d](gone.png)\n"
        "[e](there.md#elsewhere) [f](https://example.org/gone) `[g](code.md)` [h][ref] [i](#here)\n\n"
        "[ref]: gone-too.md\n```\n[j](code.md)\n```\n## Here\n"
    )
    assert broken(page) == ["gone.md", "gone.png", "there.md#elsewhere", "gone-too.md"]


# --- the set of pages ---


def test_the_index_links_every_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _links((DOCS / "index.md").read_text())}
    decisions = DOCS / "decisions"
    linked |= {(decisions / link).resolve() for link in _links((decisions / "index.md").read_text())}
    pages = {*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")} - {DOCS / "index.md"}
    assert {str(page.relative_to(DOCS)) for page in pages if page.resolve() not in linked} == set()


def test_decisions_are_numbered_without_gaps() -> None:
    decisions = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert {page.name for page in (DOCS / "decisions").glob("*.md")} == {"index.md", *(page.name for page in decisions)}
    assert [page.name[:4] for page in decisions] == [f"{number:04d}" for number in range(1, len(decisions) + 1)]
    index = (DOCS / "decisions" / "index.md").read_text()
    for page in decisions:
        title, _, status = page.read_text().split("\n")[:3]
        said = re.fullmatch(r"Status: (accepted|superseded by \[\d{4}\]\(\S+\))\. Date: (\d{4}-\d\d-\d\d)\.", status)
        assert said, f"{page.name}: its third line gives status and date"
        assert f"| {page.name[:4]} | [{title[2:]}]({page.name}) | {said[1]} | {said[2]} |" in index


def results(text: str) -> list[str]:
    """Lines that give what a run came to: scores with three decimals or without their zero, a spread, and in prose how
    many of how many. In a hundred is how limits are given; what a program prints is shown in blocks.
    """
    score, share = r"(?<![\d.])0\.\d{3,}(?!\d)|(?<![\w.])\.\d{2,}(?!\w)|±", r"\b\d[\d,]* of (?!100\b)\d"
    prose = iter(re.sub(r"^```.*?^```", lambda block: re.sub(r".", "", block[0]), text, flags=re.S | re.M).split("\n"))
    return [
        line
        for line, said in zip(text.splitlines(), prose, strict=False)
        if re.search(score, line) or (not said.startswith("    ") and re.search(share, said))
    ]


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("*.md")), ids=lambda page: page.name)
def test_how_to_pages_hold_no_results(page: Path) -> None:
    assert results(page.read_text(encoding="utf-8")) == [], "results stand in docs/reference/figures.md"


def test_results_are_found() -> None:
    text = "| all | 0.979 |\nold 0.3.0\n10 ± 2\nrate 0.05\nF1 0.9791 [0.9687, 0.9882]\n"
    assert results(text) == ["| all | 0.979 |", "10 ± 2", "F1 0.9791 [0.9687, 0.9882]"]
    text = "| none | .441 [.387, .485] |\n(.59 against .43)\n.venv/bin, x.123 and 0.3.0\nlabels/.hidden\n"
    assert results(text) == ["| none | .441 [.387, .485] |", "(.59 against .43)"]
    text = "19 of 66 are suspects\n17 of\nbeyond 99 of 100\none of 25\n"
    text += "    2 of 12\n```\n3 of 4\n```\n1,204 of 7,193 wrong\n"
    assert results(text) == ["19 of 66 are suspects", "1,204 of 7,193 wrong"]


FIGURES = re.split(r"^(?=## )", (DOCS / "reference" / "figures.md").read_text(encoding="utf-8"), flags=re.M)[1:]


@pytest.mark.parametrize("section", FIGURES, ids=lambda section: section.partition("\n")[0])
def test_figures_have_the_command_that_made_them(section: str) -> None:
    assert re.search(r"^ {4}(hemosight|python benchmarks/|make (benchmark|kills))", section, flags=re.M)


def test_files_that_pages_name_are_there() -> None:
    built = {"web/openapi.json", "src/hemosight/service/static"}
    gone = []
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        named = re.findall(r"`((?:src|tests|benchmarks|docs|scripts|deploy|web)/[\w./-]+)`", page.read_text("utf-8"))
        missing = [name for name in named if not (ROOT / name).exists() and name not in built]
        gone += [f"{page.relative_to(ROOT)}: {name}" for name in missing]
    assert gone == []


# --- command lines ---


def blocks(text: str) -> Iterator[str]:
    """Code blocks that may hold shell commands: fenced ones, and paragraphs indented by four."""
    rest = []
    for place, part in enumerate(re.split(r"^```(.*?)^```", text, flags=re.S | re.M)):
        if place % 2 == 0:
            rest.append(part)
        elif part.partition("\n")[0].strip() in _SHELL:
            yield part.partition("\n")[2]
    for part in rest:
        yield from (inspect.cleandoc(match[0]) for match in re.finditer(r"(?:(?:^    .*|^)\n)+", part, flags=re.M))


def command_lines(text: str) -> Iterator[list[str]]:
    """What is typed after ``hemosight`` in each command of the code blocks, as the shell splits it."""
    for block in blocks(text):
        lines = re.sub(r"\\\n\s*", " ", block).splitlines()
        # Where there are prompts, all else is output.
        prompted = [line.lstrip()[2:] for line in lines if line.lstrip().startswith("$ ")]
        for line in prompted or lines:
            if "hemosight" in line:
                yield from _typed(line)


def _typed(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # prose with an apostrophe, not a command
    command: list[str] = []
    for word in [*words, ";"]:
        if not set(word) <= set("();<>|&"):
            command.append(word)
            continue
        while command and re.fullmatch(r"\w+=.*", command[0]):
            command.pop(0)
        for place, part in enumerate(command):
            runs = place == 0 or command[place - 1] == "-m" or command[0] in _RUNNERS
            if runs and (part == "hemosight" or part.endswith("/hemosight")):
                yield command[place + 1 :]
                break
        command = []


def type_in(words: list[str], command: Any = None, parent: Any = None, name: str = "hemosight") -> None:
    """Parse a command line as the program would, without running anything; raises where the program would complain."""
    command = command or COMMANDS["hemosight"]
    if words == ["--help"] or (not words and hasattr(command, "commands")):
        return
    if hasattr(command, "commands"):
        context = command.make_context(name, [], parent=parent, resilient_parsing=True)
        assert words[0] in command.commands, f"no command {words[0]!r} in {name}"
        type_in(words[1:], command.commands[words[0]], context, f"{name} {words[0]}")
    else:
        command.make_context(name, list(words), parent=parent)


LINES = sorted(
    {(str(page.relative_to(ROOT)), shlex.join(w)) for page in PAGES for w in command_lines(page.read_text())}
)


def test_command_lines_in_the_docs_can_be_typed() -> None:
    wrong = []
    for page, line in LINES:
        try:
            type_in(shlex.split(line))
        except (AssertionError, _UsageError) as error:
            wrong.append(f"{page}: hemosight {line}: {error or type(error).__name__}")
    assert wrong == []


def test_command_lines_are_found() -> None:
    assert LINES, "pages show commands"
    text = """Text with `hemosight nothing`.

```console
$ hemosight data check data --json -   # says why
hemosight data check output
$ HEMOSIGHT_DATA=d nice -n 5 .venv/bin/hemosight demo --check && cd hemosight | hemosight embed \\
    --data d --out e
```

    hemosight pack --data 'a b' --out x > log
    torchrun --nproc-per-node 2 -m hemosight pretrain

```python
hemosight.load()
```
"""
    assert list(command_lines(text)) == [
        ["data", "check", "data", "--json", "-"],
        ["demo", "--check"],
        ["embed", "--data", "d", "--out", "e"],
        ["pack", "--data", "a b", "--out", "x"],
        ["pretrain"],
    ]


@pytest.mark.parametrize(
    "line",
    [
        "clasify a.png",
        "classify a.png --bundel b",
        "classify a.png --scale big",
        "classify a.png --scale 1000",
        "classify",
        "classify a.png --bundle",
        "data chek a",
        "data check a b",
        "embed --data d",
    ],
)
def test_a_command_line_that_cannot_be_typed_is_found(line: str) -> None:
    with pytest.raises((AssertionError, _UsageError)):
        type_in(shlex.split(line))
