"""The providers' pages match the code: one page for each provider, one row for each field."""

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from actors.senders import SENDERS
from schema.channels import PROVIDERS

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|(.*?)\|", re.MULTILINE)


@cache
def page_of(provider: str) -> str:
    return (ROOT / "docs" / "channels" / f"{provider}.md").read_text(encoding="utf-8")


def listed() -> list[str]:
    table = (ROOT / "docs" / "channels" / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|", table, re.MULTILINE)


def is_secret(field: str, config: type[msgspec.Struct]) -> bool:
    known = msgspec.inspect.type_info(config)
    assert isinstance(known, msgspec.inspect.StructType)
    return _marked(next(one.type for one in known.fields if one.name == field))


def _marked(kind: object) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return bool((kind.extra or {}).get("secret")) or _marked(kind.type)
    return isinstance(kind, msgspec.inspect.DictType) and _marked(kind.value_type)


def test_every_provider_has_a_page_a_row_a_sender_and_a_file() -> None:
    assert sorted(listed()) == sorted(PROVIDERS)
    assert set(SENDERS) == set(PROVIDERS.values())
    assert all(page_of(provider).startswith(f"# {provider}\n") for provider in PROVIDERS)
    assert all((ROOT / "actors" / "senders" / "providers" / f"{provider}.py").is_file() for provider in PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_field_has_a_row_that_marks_secrets(provider: str) -> None:
    config = PROVIDERS[provider]
    rows = ROW.findall(page_of(provider))
    assert [name for name, _, _ in rows] == list(config.__struct_fields__)
    assert {name: secret.strip() == "yes" for name, _, secret in rows} == {
        name: is_secret(name, config) for name, _, _ in rows
    }


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_row_has_the_default(provider: str) -> None:
    documented = {name: default.strip("`") for name, default, _ in ROW.findall(page_of(provider))}
    fields = {one.name: one for one in msgspec.structs.fields(PROVIDERS[provider])}
    for name, default in documented.items():
        field = fields[name]
        assert (default == "required") == (field.required or name == "bot_token")
        if isinstance(field.default, int | str) and field.default not in {"", None}:
            assert default == (str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
