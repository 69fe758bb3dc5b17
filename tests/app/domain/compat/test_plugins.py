"""Monitor types in document 002's words: described from their configs."""

import pytest

from app.domain.compat import plugins
from app.domain.compat.field_names import WORDS
from app.errors import Invalid
from schema.targets import TARGETS


def test_every_monitor_type_is_a_plugin_with_its_fields_described():
    told = plugins.catalogue()
    assert [one.name for one in told.plugins] == list(TARGETS)
    assert told.count == len(TARGETS)
    for one in told.plugins:
        fields = {WORDS.get(one.name, {}).get(name, name) for name in TARGETS[one.name].__struct_fields__}
        for (type_, field), switches in plugins.SWITCHES.items():
            fields = fields - {field} | switches.keys() if type_ == one.name else fields
        fields |= plugins.MORE.get(one.name, {}).keys()
        assert one.required_config.keys() | one.optional_config.keys() == fields | {"timeout"}
        assert all([one.description, *one.required_config.values(), *one.optional_config.values()])


def test_defaults_are_told_as_json_would_have_them():
    told = plugins.described("http").optional_config
    assert told["method"] == "Method (default: GET)"
    assert told["accepted_statuscodes"].endswith('(default: ["2XX"])')
    assert told["timeout"].endswith("(default: 16)")
    assert "default" not in told["headers"]


def test_every_word_and_every_alias_stands_for_something_there_is():
    assert all(set(words) <= set(TARGETS[type_].__struct_fields__) for type_, words in WORDS.items())
    for alias, type_ in plugins.ALIASES.items():
        assert plugins.type_of(alias) == type_
        assert alias in plugins.described(type_).aliases


def test_what_is_no_plugin_is_refused_by_its_field():
    with pytest.raises(Invalid) as caught:
        plugins.type_of("telepathy")
    assert [one.field for one in caught.value.fields] == ["plugin_type"]
