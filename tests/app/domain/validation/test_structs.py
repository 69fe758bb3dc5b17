"""A value fits, or everything that is wrong with it is named."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import inspect as types

from app.domain.validation import structs, wording
from app.errors import Invalid
from schema.channels import PROVIDERS, ChannelPatch
from schema.errors import FieldError
from schema.field_types import Interval, Name, Port
from schema.monitors import DRAFTS, MonitorPatch
from schema.targets import TARGETS, Http, MailSecurity, Target

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["type", "name", "config", "url", "host", "port", "interval", "auth", "method", "headers", "x"])
OBJECTS = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=6)


@pytest.mark.parametrize("type_", [MonitorPatch, ChannelPatch, DRAFTS["http"], Target], ids=str)
@given(value=OBJECTS | JSON)
def test_something_is_named_exactly_when_the_value_does_not_fit(type_: Any, value: Any) -> None:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        assert structs.errors_in(value, type_)
    else:
        assert structs.errors_in(value, type_) == []


def test_a_part_of_a_request_is_named_by_its_place_in_the_whole() -> None:
    with pytest.raises(Invalid) as raised:
        structs.validate({"url": 1, "body": 2}, Http, "config")
    assert [one.field for one in raised.value.fields] == ["config.url", "config.body"]


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Interval, "must be a whole number from 5 to 2678400: Seconds between checks, 5 seconds to 31 days."),
        (Port, "must be a whole number from 1 to 65535"),
        (Name, "must be text of 1 to 150 characters: Name to show."),
        (MailSecurity, "must be one of none, starttls, tls"),
        (bool | None, "must be true or false or null"),
        (list[int], "must be a list"),
        (dict[str, int], "must be an object"),
    ],
)
def test_a_message_names_what_is_valid(type_: Any, expected: str) -> None:
    assert wording.requirement(type_) == expected


@pytest.mark.parametrize(
    ("type_", "config", "field", "message"),
    [
        ("http", {"url": "example.org"}, "url", "must begin with http:// or https://"),
        ("http", {"url": "ftp://example.org"}, "url", "must begin with http:// or https://"),
        ("http", {"url": "https://me:secret@example.org/"}, "url", "must not contain a user name or password"),
        ("http", {"url": "https://example.org/a b"}, "url", "must not contain spaces or line breaks"),
        ("http", {"url": "https:///path"}, "url", "must have a host after ://"),
        ("http", {"url": "http:/"}, "url", "must be text of 8 to 2048 characters"),
        ("websocket", {"url": "https://example.org"}, "url", "must begin with ws:// or wss://"),
        ("domain", {"domain": "example.org", "rdap_url": "https://a.test/?b"}, "rdap_url", "must end after its path"),
        (
            "dns",
            {"host": "a", "transport": "https", "resolver_url": "http://a.test"},
            "resolver_url",
            "begin with https://",
        ),
        (
            "http",
            {"url": "http://a.test", "accepted_statuscodes": ["ok"]},
            "accepted_statuscodes.0",
            "must have another form",
        ),
        ("domain", {"domain": "example"}, "domain", "must have another form"),
        ("domain", {"domain": "exam ple.org"}, "domain", "must not contain ' '"),
        ("kafka-producer", {"brokers": ["kafka.lan"], "topic": "a", "message": "b"}, "brokers.0", "Host and port"),
        ("kafka-producer", {"brokers": ["a:1"], "topic": "a/b", "message": "b"}, "topic", "must not contain '/'"),
        (
            "docker",
            {"container": "a", "daemon": "http://a"},
            "daemon",
            "must have another form: Address of the Docker Engine",
        ),
        ("ssh", {"host": "a", "fingerprint": "MD5:x"}, "fingerprint", "must have another form: SHA-256 fingerprint"),
        ("mail", {"host": "a", "protocol": "smtp", "from_email": "me"}, "from_email", "must have another form: Sender"),
        ("push", {"token": "sesame/sesame/sesame"}, "token", "must have another form: Token in the push URL"),
    ],
)
def test_a_text_of_another_form_gets_the_error(type_, config, field, message) -> None:
    (found,) = structs.errors_in(config, TARGETS[type_])
    assert (found.field, message in found.message) == (field, True), found


def is_formed(info: types.Type) -> bool:
    """Whether a type is a text with a pattern."""
    if isinstance(info, types.Metadata):
        return is_formed(info.type)
    if isinstance(info, types.UnionType):
        return any(map(is_formed, info.types))
    return isinstance(info, types.StrType) and bool(info.pattern)


FORMED = [
    (f"{name}.{one.name}", one.type)
    for name, kind in {**TARGETS, **PROVIDERS}.items()
    for one in msgspec.structs.fields(kind)
    if is_formed(types.type_info(one.type))
]


@pytest.mark.parametrize(("place", "type_"), FORMED)
def test_a_wrong_form_is_not_called_a_wrong_length(place: str, type_: Any) -> None:
    texts = [sign * length for sign in ("\u2028", "\x01") for length in (1, 8, 32)]
    assert any("characters" not in wording.error_for(type_, text) for text in texts), place


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\udfff"])
def test_a_text_that_no_database_keeps_is_found_wherever_it_stands(text: str) -> None:
    value = {"a": ["fine", {"b": text}], text: "ä€😀"}
    assert [one.field for one in structs.unstorable_texts(value)] == ["a.1.b", ""]
    assert structs.unstorable_texts({"a": ["\x01\uffff", None, 1]}) == []


MANY: list[tuple[Any, Any]] = [
    ({f"field{number}": 1 for number in range(5_000)}, MonitorPatch),
    ({"headers": {f"h{number}": 1 for number in range(5_000)}}, Http),
    ({"assertions": [{}] * 5_000}, Http),
    ([1] * 5_000, list[str]),
]


@pytest.mark.parametrize(("value", "type_"), MANY, ids=["unknown", "an object", "structs", "a list"])
def test_the_number_of_reported_errors_is_bounded(value: Any, type_: Any) -> None:
    assert len(structs.errors_in(value, type_)) == structs.MAX_ERRORS


def test_no_more_parts_are_looked_at_than_take_a_moment(monkeypatch) -> None:
    looked_at = []

    def fits(value: Any, _: Any) -> bool:
        looked_at.append(value)
        return isinstance(value, int)

    monkeypatch.setattr(structs, "_is_valid", fits)
    assert structs.errors_in([[1] * 9, *[1] * 2_000_000, "wrong"], list[int]) == [
        FieldError("0", "must be a whole number")
    ]
    assert len(looked_at) <= structs.MAX_PARTS


def test_texts_that_no_database_keeps_are_looked_for_among_the_first_parts() -> None:
    assert len(structs.unstorable_texts(["\0"] * 5_000)) == structs.MAX_ERRORS
    assert structs.unstorable_texts([*[[]] * structs.MAX_PARTS, "\0"]) == []
    deep: list[Any] = ["\0"]
    for _ in range(2_000):
        deep = [deep]
    assert len(structs.unstorable_texts(deep)) == 1
