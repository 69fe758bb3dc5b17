"""Every provider: a row in the catalogue, a row in the documentation, a page, its files and a test that names it."""

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from actors.senders import SENDERS
from app.api.alerting.providers import APPRISE, catalogue
from schema.channels import PROVIDERS
from schema.services import services_by_id
from tests.services import every_service

ROOT = Path(__file__).parents[3]
ROWS = catalogue().providers
OURS = {one.type: one for one in ROWS if not one.service}
SERVICES = {one.service: one for one in ROWS if one.service}
FEWEST = 100


def text_of(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


@cache
def modules() -> dict[str, str]:
    """The senders' test modules that test something, this one aside."""
    found = {one.name: one.read_text(encoding="utf-8") for one in Path(__file__).parent.rglob("test_*.py")}
    return {name: text for name, text in found.items() if name not in {Path(__file__).name, "test_docs.py"}}


def fields_of(page: str) -> list[str]:
    """What stands first in the rows of a page's first table."""
    return re.findall(r"^\| `(\w+)` \|", page.partition("\n|---")[2].partition("\n\n")[0], re.MULTILINE)


def test_there_are_many_providers() -> None:
    assert len(ROWS) == len(OURS) + len(SERVICES) >= FEWEST
    assert len({(one.type, one.service) for one in ROWS}) == len(ROWS)


def test_the_catalogue_has_a_row_for_every_provider_and_every_service() -> None:
    assert list(OURS) == list(PROVIDERS)
    assert list(SERVICES) == list(services_by_id())
    assert {one.type for one in SERVICES.values()} == {APPRISE}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_has_its_files(provider: str) -> None:
    config = PROVIDERS[provider]
    assert config.__module__ == f"schema.channels.{provider}"
    assert SENDERS[config].__module__ == f"actors.senders.providers.{provider}"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_s_row_its_struct_and_its_page_name_the_same_fields(provider: str) -> None:
    row = OURS[provider]
    names = [one.name for one in row.fields]
    assert names == [one.encode_name for one in msgspec.structs.fields(PROVIDERS[provider])]
    assert names == fields_of(text_of(row.docs))
    assert row.description


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_s_page_is_listed(provider: str) -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|", text_of("docs", "channels", "README.md"), re.MULTILINE)
    assert listed.count(provider) == 1
    assert OURS[provider].docs == f"docs/channels/{provider}.md"
    assert text_of(OURS[provider].docs).startswith(f"# {provider}\n")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_has_a_test_that_names_it(provider: str) -> None:
    naming = [name for name, text in modules().items() if re.search(rf"\b{provider}\b", text)]
    assert naming
    assert any("async def test_" in modules()[name] for name in naming)


@pytest.mark.parametrize("service", every_service())
def test_a_service_s_row_its_page_s_row_and_its_example_are_of_one_service(service: str) -> None:
    row = SERVICES[service]
    (line,) = (one for one in text_of(row.docs).splitlines() if one.startswith(f"| `{row.service}` |"))
    _, _, name, fields, _ = line.split("|")
    assert name.strip() == f"[{row.name}]({row.setup})"
    assert re.findall(r"`(\w+)`(\\\*)?", fields) == [(one.name, r"\*" if one.secret else "") for one in row.fields]
    examples = msgspec.json.decode(text_of("tests", "actors", "apprise_sandbox", "examples.json"))
    assert row.service in examples
    assert row.schemes
    assert row.templates


def test_each_field_documents_what_it_takes() -> None:
    kinds = {"string", "email", "integer", "number", "boolean", "array", "object"}
    fields = [field for row in ROWS for field in row.fields]
    assert {one.type for one in fields} <= kinds
    assert [
        one.name for one in fields if one.choices and one.default is not None and one.default not in one.choices
    ] == []
