"""The monitors' pages match the code: one page for each type, one row for each field, with its default."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from actors.probes import PROBES
from schema.targets import TARGETS

PAGES = Path(__file__).parents[3] / "docs" / "monitors"
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)


def page_of(type_: str) -> str:
    return (PAGES / f"{type_}.md").read_text(encoding="utf-8")


def test_every_monitor_type_has_a_page_a_row_and_a_file():
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text(encoding="utf-8"))
    assert listed == list(TARGETS)
    assert sorted(one.stem for one in PAGES.glob("*.md") if one.stem != "README") == sorted(TARGETS)
    assert list(PROBES) == list(TARGETS.values())


@pytest.mark.parametrize("type_", TARGETS)
def test_every_field_has_a_row_with_its_default(type_):
    rows = dict(ROW.findall(page_of(type_).partition("| field |")[2].split("\n\n", 1)[0]))
    fields = {field.name: field for field in msgspec.structs.fields(TARGETS[type_])}
    assert list(rows) == list(fields)
    for name, row in rows.items():
        assert (row == "required") == fields[name].required
        if isinstance(fields[name].default, str | int) and fields[name].default:
            assert row.strip("`") == json.dumps(fields[name].default).strip('"')


@pytest.mark.parametrize("type_", TARGETS)
def test_every_example_is_one_that_would_be_taken(type_):
    (example,) = re.findall(r"```json\n(.*?)```", page_of(type_), re.DOTALL)
    decoded = msgspec.json.decode(example)
    assert decoded["type"] == type_
    msgspec.convert(decoded.get("config", {}), TARGETS[type_])
