"""Monitor types as plugins of document 002, described from their configs."""

import pytest

from app.domain.compat import plugins
from app.domain.compat.field_names import NAMES_BY_TYPE
from app.errors import Invalid
from schema.targets import TARGETS


def test_every_monitor_type_is_a_plugin_with_its_fields_described():
    listed = plugins.list_plugins()
    assert [one.name for one in listed.plugins] == list(TARGETS)
    assert listed.count == len(TARGETS)
    for one in listed.plugins:
        fields = {NAMES_BY_TYPE.get(one.name, {}).get(name, name) for name in TARGETS[one.name].__struct_fields__}
        for (type_, field), switches in plugins.REPLACED_FIELDS.items():
            fields = fields - {field} | switches.keys() if type_ == one.name else fields
        fields |= plugins.EXTRA_FIELDS.get(one.name, {}).keys()
        assert one.required_config.keys() | one.optional_config.keys() == fields | {"timeout"}
        assert all([one.description, *one.required_config.values(), *one.optional_config.values()])


def test_a_default_is_named_once():
    texts = [text for one in plugins.list_plugins().plugins for text in one.optional_config.values()]
    assert [text for text in texts if text.lower().count("default") > 1] == []


def test_defaults_are_listed_as_json():
    options = plugins.get_plugin("http").optional_config
    assert options["method"] == "HTTP method (default: GET)"
    assert options["accepted_statuscodes"].endswith('(default: ["2XX"])')
    assert options["timeout"].endswith("(default: 16)")
    assert "default" not in options["headers"]


def test_every_field_name_and_alias_exists():
    assert all(set(names) <= set(TARGETS[type_].__struct_fields__) for type_, names in NAMES_BY_TYPE.items())
    for alias, type_ in plugins.ALIASES.items():
        assert plugins.monitor_type(alias) == type_
        assert alias in plugins.get_plugin(type_).aliases


def test_an_unknown_plugin_type_is_rejected_with_its_field():
    with pytest.raises(Invalid) as caught:
        plugins.monitor_type("telepathy")
    assert [one.field for one in caught.value.fields] == ["plugin_type"]
