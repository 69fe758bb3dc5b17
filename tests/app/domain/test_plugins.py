"""Monitor types in document 002's words: described from their configs, translated both ways."""

import pytest

from app.domain import plugins
from app.errors import Invalid
from schema.errors import FieldError
from schema.targets import TARGETS, Dns


def test_every_monitor_type_is_a_plugin_with_its_fields_described():
    told = plugins.catalogue()
    assert [one.name for one in told.plugins] == list(TARGETS)
    assert told.count == len(TARGETS)
    for one in told.plugins:
        fields = {plugins.WORDS.get(one.name, {}).get(name, name) for name in TARGETS[one.name].__struct_fields__}
        assert one.required_config.keys() | one.optional_config.keys() == fields | {"timeout"}
        assert all([one.description, *one.required_config.values(), *one.optional_config.values()])


def test_defaults_are_told_as_json_would_have_them():
    told = plugins.described("http").optional_config
    assert told["method"] == "Method (default: GET)"
    assert told["accepted_statuscodes"].endswith('(default: ["2XX"])')
    assert told["timeout"].endswith("(default: 16)")
    assert "default" not in told["headers"]


def test_every_word_and_every_alias_stands_for_something_there_is():
    assert all(set(words) <= set(TARGETS[type_].__struct_fields__) for type_, words in plugins.WORDS.items())
    for alias, type_ in plugins.ALIASES.items():
        assert plugins.type_of(alias) == type_
        assert alias in plugins.described(type_).aliases


def test_what_is_no_plugin_is_refused_by_its_field():
    with pytest.raises(Invalid) as caught:
        plugins.type_of("telepathy")
    assert [one.field for one in caught.value.fields] == ["plugin_type"]


@pytest.mark.parametrize("value", ["192.0.2.1", ["192.0.2.1"]])
def test_a_config_goes_there_and_back_in_its_own_words(value):
    theirs = {"domain": "example.com", "record_type": "A", "expected_value": value, "timeout": 3}
    ours, timeout_s = plugins.to_monitor("dns", theirs)
    assert (ours, timeout_s) == ({"host": "example.com", "resolve_type": "A", "expected": ["192.0.2.1"]}, 3)
    told = plugins.of_monitor(Dns(**ours), 3.0)
    assert theirs.keys() <= told.keys()
    assert (told["domain"], told["expected_value"], told["timeout"]) == ("example.com", ["192.0.2.1"], 3.0)
    assert "type" not in told


def test_fields_that_are_wrong_are_called_as_the_client_calls_them():
    names = ["config.host", "config.expected.0", "config.port", "timeout", "interval", "cron", "active", "name"]
    told = plugins.in_its_words("dns", Invalid([FieldError(name, "is wrong") for name in names]))
    assert [one.field for one in told.fields] == [
        "config.domain",
        "config.expected_value.0",
        "config.port",
        "config.timeout",
        "schedule",
        "schedule",
        "enabled",
        "name",
    ]
