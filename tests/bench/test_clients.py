"""The page on clients matches the generators' pinned versions, and every installed package is pinned."""

import re

import msgspec
import pytest

from bench.clients import __main__, page, tools
from bench.clients.generators import BY_NAME, GENERATORS, Generator
from bench.clients.lint import LOCK, RULES
from bench.clients.tools import HERE
from bench.clients.trial import Result

NPM = sorted(HERE.glob("*/package-lock.json"))
PIP = sorted(HERE.glob("*/*.lock"))
TEXT = page.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda one: one.name)
def test_a_generator_has_a_command_on_the_page_a_program_and_a_pin(generator: Generator) -> None:
    assert "openapi.json" in page.command(generator.command)
    assert (generator.folder / f"first_steps{generator.language.suffix}").exists()
    assert re.fullmatch(r"[\d.]+", generator.version)
    assert all(lock.exists() for lock in generator.locks)


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda one: one.name)
def test_the_page_names_the_pinned_version(generator: Generator) -> None:
    assert re.search(rf"[^\d.]{re.escape(generator.version)}[^\d]", TEXT)


@pytest.mark.parametrize("generator", [one for one in GENERATORS if one.on_page], ids=lambda one: one.name)
def test_the_page_shows_a_short_program(generator: Generator) -> None:
    assert "WATCHKEEPER_API_KEY" in page.program(generator.language.name)
    assert len(page.program(generator.language.name).splitlines()) < 30


def test_every_folder_is_a_generators_or_holds_tools() -> None:
    folders = {one.name for one in HERE.iterdir() if one.is_dir() and not one.name.startswith("__")}
    assert folders == {*BY_NAME, "redocly", "tools"}


@pytest.mark.parametrize("lock", NPM, ids=lambda lock: lock.parent.name)
def test_npms_locks_have_a_hash_for_everything_and_name_no_registry(lock) -> None:
    packages = msgspec.json.decode(lock.read_bytes())["packages"]
    installed = [one for name, one in packages.items() if name]
    assert all(one["integrity"].startswith("sha512-") for one in installed)
    assert not any("resolved" in one for one in installed)
    assert b"://" not in lock.read_bytes()


@pytest.mark.parametrize("lock", NPM, ids=lambda lock: lock.parent.name)
def test_npm_packages_have_one_version(lock) -> None:
    wanted = msgspec.json.decode(lock.with_name("package.json").read_bytes())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert all(tools.pinned(lock, name) == version for name, version in wanted.items())


@pytest.mark.parametrize("lock", PIP, ids=lambda lock: f"{lock.parent.name}-{lock.stem}")
def test_pips_locks_have_a_hash_for_everything_and_name_no_index(lock) -> None:
    text = lock.read_text()
    assert all("--hash=sha256:" in pin for pin in re.split(r"\n(?=\S)", text))
    assert "://" not in text
    assert lock.with_suffix(".in").exists()


def test_the_linter_has_its_rules() -> None:
    assert LOCK in NPM
    assert all((LOCK.parent / name).exists() for name in RULES)


def test_a_command_or_program_that_is_not_on_the_page_is_an_error() -> None:
    with pytest.raises(page.NotOnThePage, match="0 commands"):
        page.command("swagger-codegen ")
    with pytest.raises(page.NotOnThePage, match="0 programs"):
        page.program("cobol")


async def test_a_command_that_fails_shows_its_output(tmp_path) -> None:
    shell = tools.Shell(tmp_path, environ={"WORD": "why"})
    assert await shell.run("sh", "-c", "echo $WORD") == "why\n"
    with pytest.raises(tools.Failed, match="exit code 3\nwhy"):
        await shell.run("sh", "-c", "echo $WORD; exit 3")
    with pytest.raises(tools.Failed, match="not done"):
        await shell.run("sh", "-c", "sleep 60", limit_s=0.05)


def test_the_table_has_a_row_for_each_with_how_far_it_came() -> None:
    rows = __main__.table([Result("go", "1.2.3", "yes", "no", why="it does not compile"), Result("orval", "8", "yes")])
    assert rows.splitlines() == [
        "generator  version  generated  compiled  flow  page",
        "go         1.2.3    yes        no",
        "orval      8        yes",
    ]
