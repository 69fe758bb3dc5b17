"""Monitor types in document 002's words: described from their configs."""

import pytest

from app.domain.compat import plugins
from app.domain.compat.field_names import NAMES_BY_TYPE
from app.errors import Invalid
from schema.targets import TARGETS


def test_every_monitor_type_is_a_plugin_with_its_fields_described():
    told = plugins.list_plugins()
    assert [one.name for one in told.plugins] == list(TARGETS)
    assert told.count == len(TARGETS)
    for one in told.plugins:
        fields = {NAMES_BY_TYPE.get(one.name, {}).get(name, name) for name in TARGETS[one.name].__struct_fields__}
        for (type_, field), switches in plugins.REPLACED_FIELDS.items():
            fields = fields - {field} | switches.keys() if type_ == one.name else fields
        fields |= plugins.EXTRA_FIELDS.get(one.name, {}).keys()
        assert one.required_config.keys() | one.optional_config.keys() == fields | {"timeout"}
        assert all([one.description, *one.required_config.values(), *one.optional_config.values()])


def test_a_default_is_named_once():
    texts = [text for one in plugins.list_plugins().plugins for text in one.optional_config.values()]
    assert [text for text in texts if text.lower().count("default") > 1] == []


def test_defaults_are_told_as_json_would_have_them():
    told = plugins.get_plugin("http").optional_config
    assert told["method"] == "HTTP method (default: GET)"
    assert told["accepted_statuscodes"].endswith('(default: ["2XX"])')
    assert told["timeout"].endswith("(default: 16)")
    assert "default" not in told["headers"]


def test_every_word_and_every_alias_stands_for_something_there_is():
    assert all(set(words) <= set(TARGETS[type_].__struct_fields__) for type_, words in NAMES_BY_TYPE.items())
    for alias, type_ in plugins.ALIASES.items():
        assert plugins.monitor_type(alias) == type_
        assert alias in plugins.get_plugin(type_).aliases


def test_what_is_no_plugin_is_refused_by_its_field():
    with pytest.raises(Invalid) as caught:
        plugins.monitor_type("telepathy")
    assert [one.field for one in caught.value.fields] == ["plugin_type"]
