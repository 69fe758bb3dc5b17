"""Names: one meaning for a class name, the words of the field, a line for every module, tests about their subject."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
MODULES = sorted(path for room in ("app", "actors", "schema") for path in (TOP / room).rglob("*.py"))
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
PRIVATE_WORDS = {"told", "asked", "said", "heard", "news"}  # a language of our own, which nobody could guess
ALLOWED_WORDS = 5
INDIRECT = re.compile(
    r"def (test_(?:what|whatever|who|whoever|where|wherever|of|how)_\w+)"
)  # what it is about comes first


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        yield str(path.relative_to(TOP)), ast.parse(path.read_text(encoding="utf-8"))


def identifiers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_identifiers_use_the_words_of_the_field() -> None:
    found = Counter[str]()
    for path, tree in trees():
        found[path] += sum(1 for name in identifiers(tree) if PRIVATE_WORDS & set(name.lower().split("_")))
    assert found.total() <= ALLOWED_WORDS, +found


def test_tests_name_their_subject() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (TOP / "tests").rglob("test_*.py"))
    assert [name for text in texts for name in INDIRECT.findall(text)] == []


def test_every_module_opens_with_one_line_about_what_lives_there() -> None:
    silent = [path for path in MODULES if not re.match(r'r?"""\S.{10,}', path.read_text(encoding="utf-8"))]
    assert silent == []


def test_no_module_has_an_empty_name() -> None:
    assert [path for path in MODULES if path.stem in VAGUE_NAMES] == []
