"""The words of docs/reference/glossary.md are the only ones for their things, in the code, the API and the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "hemosight"
PAGE = ROOT / "web" / "src"
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
ALEMBIC = SOURCE / "service" / "storage"
"""Where ``revision`` is Alembic's word."""


def retired(text: str) -> dict[str, dict[str, str]]:
    """The table of words that are not used: ``class``, ``name``, ``text`` or ``phrase`` -> word -> what to use."""
    section = text.split("\n## Words that are not used\n")[1]
    found: dict[str, dict[str, str]] = {"class": {}, "name": {}, "text": {}, "phrase": {}}
    for word, kind, use in re.findall(r"^\| ([\w ]+) \| (class|name|text|phrase) \| (.+) \|$", section, flags=re.M):
        found[kind][word] = use
    return found


RETIRED = retired(GLOSSARY.read_text(encoding="utf-8"))


_PROSE = re.compile(
    r"""
    \#[^\n]*
    | \"{3}(?:[^"\\]|\\.|"(?!""))*\"{3} | '{3}(?:[^'\\]|\\.|'(?!''))*'{3}
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
    """,
    flags=re.S | re.X,
)
"""Comments and strings of Python."""


def names_of_python(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every name in a module; names inside of strings and comments are prose.

    The names that ``tokenize`` finds, f-strings aside, in a fifth of its time.
    """
    code = _PROSE.sub(lambda match: '""' + "\n" * match[0].count("\n"), text)
    for number, line in enumerate(code.splitlines(), start=1):
        yield from ((number, name) for name in re.findall(r"(?<!\w)[^\W\d]\w*(?![\w\"])", line))


def names_of_typescript(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every name in a file of the page, without strings, comments and the text between tags."""
    blank = r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|>[^<>{}=;()]*<"
    code = re.sub(blank, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.S)
    for number, line in enumerate(code.splitlines(), start=1):
        yield from ((number, name) for name in re.findall(r"[A-Za-z_$][\w$]*", line))


@cache
def retired_words(name: str) -> list[str]:
    """The retired words in a name, in order; not to be changed. Most names stand in many files."""
    return sorted(set(words(name)) & RETIRED["name"].keys())


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``taughtUntil`` and ``taught_until`` have the same."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


_BETWEEN = r"[\s#*/_|-]+"
PHRASES = {
    phrase: re.compile(rf"\b{_BETWEEN.join(map(re.escape, phrase.lower().split()))}s?\b")
    for phrase in RETIRED["phrase"]
}
"""Phrases in lower case, also where a line ends, or a comment's sign stands, between their words."""


def may_have_a_retired_name(text: str) -> bool:
    """Whether anything that looks like a name, in prose as well, has a retired word: telling prose apart takes long."""
    return any(name in RETIRED["class"] or retired_words(name) for name in set(re.findall(r"[\w$]+", text)))


def faults_of(names: Iterator[tuple[int, str]], text: str, *, revision: bool = False) -> list[str]:
    """What a file has of the retired words, with their lines; ``revision`` where that word may stand."""
    found = []
    for line, name in names:
        if name in RETIRED["class"]:
            found.append(f"{line}: class {name}; use {RETIRED['class'][name]}")
        there = [word for word in retired_words(name) if not (revision and word == "revision")]
        found += [f"{line}: {word} in {name}; use {RETIRED['name'][word]}" for word in there]
    listed = RETIRED["text"]
    anywhere = not listed.keys().isdisjoint(re.findall(r"[a-z]+", text.lower()))
    for number, row in enumerate(text.splitlines() if anywhere else [], start=1):
        there = [word for word in re.findall(r"[A-Za-z]+", row) if word.lower() in listed]
        found += [f"{number}: {word}; use {listed[word.lower()]}" for word in there]
    return found + phrases_of(text)


def phrases_of(text: str) -> list[str]:
    """What a text has of the retired phrases, with their lines."""
    found, text = [], text.lower()
    for phrase, use in RETIRED["phrase"].items():
        at = [match.start() for match in PHRASES[phrase].finditer(text)]
        found += [f"{1 + text.count(chr(10), 0, start)}: {phrase}; use {use}" for start in at]
    return found


def _files(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in suffixes and not file.name.endswith(".d.ts"))


def _faulty(files: Iterable[Path], faults: Callable[[Path, str], list[str]]) -> dict[str, list[str]]:
    """Files that have faults -> what they have; each file is read once."""
    found = {str(file.relative_to(ROOT)): faults(file, file.read_text(encoding="utf-8")) for file in files}
    return {file: own for file, own in found.items() if own}


# One test for all files: of hundreds, each costs the workers more than what it looks at.
def test_the_code_has_no_retired_word() -> None:
    def faults(file: Path, text: str) -> list[str]:
        names = names_of_python(text) if may_have_a_retired_name(text) else iter(())
        return faults_of(names, text, revision=file.is_relative_to(ALEMBIC))

    files = _files(SOURCE, ".py")
    assert len(files) > 400
    assert _faulty(files, faults) == {}


def test_the_page_has_no_retired_word() -> None:
    files = _files(PAGE, ".ts", ".tsx")
    assert len(files) > 200
    assert _faulty(files, lambda _, text: faults_of(names_of_typescript(text), text)) == {}


DOCUMENTED = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *_files(ROOT / "docs", ".md"),
    *_files(ROOT / "benchmarks", ".py"),
]


def test_the_documentation_has_no_retired_phrase() -> None:
    assert _faulty((file for file in DOCUMENTED if file != GLOSSARY), lambda _, text: phrases_of(text)) == {}


@pytest.mark.slow
def test_the_api_has_no_retired_word() -> None:
    from hemosight.service.app import create_app
    from hemosight.service.settings import defaults
    from hemosight.service.storage.database import Database

    found = []
    stack: list[tuple[str, object]] = [("", create_app(defaults(), Database("")).openapi())]
    while stack:
        place, value = stack.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                found += [f"{place}: {fault}" for fault in faults_of(iter([(0, str(key))]), "")]
                stack.append((f"{place}/{key}", inner))
        elif isinstance(value, list):
            stack += [(place, inner) for inner in value]
        elif isinstance(value, str) and place.endswith(("/name", "/operationId")):
            found += [f"{place}: {fault}" for fault in faults_of(iter([(0, value)]), "")]
    assert found == []


# --- one name, one meaning ---

TWICE = {
    "Forecast": "what the desk forecasts, and the answer that shows it",
    "InBulk": "how many cells were labelled at once, and the answer that shows it",
    "StoredLabel": "a label as it was stored, and the answer that shows it",
    "SignedCase": "how a case is signed in the tables, and as the command line hears it of a service",
    "Source": "a public data set, a bundle's data set in an answer; and where a command's cells come from",
}
"""Public classes of one name in several modules: the same thing as a record and as its schema, and why."""


def classes_of(package: Path) -> dict[str, list[str]]:
    """Public classes that stand in a module themselves -> the modules."""
    found: dict[str, list[str]] = {}
    for file in _files(package, ".py"):
        for name in re.findall(r"^class ([^\W_]\w*)", file.read_text(encoding="utf-8"), flags=re.M):
            found.setdefault(name, []).append(str(file.relative_to(package)))
    return found


def test_no_two_classes_have_one_name() -> None:
    twice = {name: modules for name, modules in classes_of(SOURCE).items() if len(modules) > 1}
    assert {name: modules for name, modules in twice.items() if name not in TWICE} == {}, "one of them means another"
    assert set(TWICE) <= set(twice), "the list holds what is there"


def test_a_class_of_two_meanings_is_found(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("class Report:\n    class Inner: ...\nclass _Own: ...\n")
    (tmp_path / "inner" / "b.py").write_text("class Report: ...\nclass Inner: ...\nclass _Own: ...\n")
    assert classes_of(tmp_path) == {"Report": ["a.py", "inner/b.py"], "Inner": ["inner/b.py"]}


# --- the table itself ---


def test_every_retired_word_names_another() -> None:
    assert sum(len(kind) for kind in RETIRED.values()) > 30
    listed = re.findall(
        r"^\| ([\w ]+) \| (?:class|name|text|phrase) \|", GLOSSARY.read_text(encoding="utf-8"), flags=re.M
    )
    assert len(listed) == len(set(listed)), "each once"
    used = {word for kind in RETIRED.values() for use in kind.values() for word in re.findall(r"`(\w+)`", use)}
    assert not used & set(RETIRED["class"])


def test_a_retired_word_is_found() -> None:
    code = '"""The opinion of a desk."""\nclass Roll:\n    revision_of = 1  \n    "told"\n'
    assert may_have_a_retired_name(code)
    assert may_have_a_retired_name("revision_of = 1")
    assert may_have_a_retired_name("Roll()")
    assert not may_have_a_retired_name("determined = rolls(1)")
    assert [fault.split(";")[0] for fault in faults_of(names_of_python(code), code)] == [
        "2: class Roll",
        "3: revision in revision_of",
        "1: opinion",
    ]
    assert faults_of(names_of_python("revision = 1\n"), "", revision=True) == []
    assert phrases_of("beside the plain\n# road") == ["1: plain road; use baseline pipeline"]
    assert phrases_of("two Plain roads") == ["1: plain road; use baseline pipeline"]
    assert phrases_of("a plain broad road") == []
    page = 'const seen = <p>we told</p>; // told\nimport { mineOnly } from "./roll";\nconst bell = 1;\n'
    assert [fault.split(";")[0] for fault in faults_of(names_of_typescript(page), page)] == [
        "2: mine in mineOnly",
        "3: bell",
    ]
