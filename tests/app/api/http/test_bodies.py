"""Bodies are read strictly, and everything that is wrong is named at once."""

import gzip
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app.api.http import bodies
from app.api.openapi import document
from app.domain.validation import structs
from app.errors import Invalid, Malformed
from schema.channels import ChannelDraft
from schema.monitors import MonitorDraft, MonitorPatch
from schema.targets import TARGETS, Http
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, Client

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

pytestmark = pytest.mark.either_engine


def wrong(sent: Any, type_: Any) -> dict[str, str]:
    """field → message of everything that is refused."""
    with pytest.raises(Invalid) as raised:
        bodies.decode_body(msgspec.json.encode(sent), type_)
    return {one.field: one.message for one in raised.value.fields}


def test_a_draft_becomes_the_variant_of_its_type() -> None:
    draft = bodies.decode_body(msgspec.json.encode(make.monitor_json()), MonitorDraft)
    assert isinstance(draft, MonitorDraft)
    assert isinstance(draft.config, Http)


def test_all_wrong_fields_are_named_at_once_with_dotted_paths() -> None:
    config = {"url": "ftp://x", "headers": {"X": 1}, "accepted_statuscodes": ["200", "9"], "colour": "red"}
    sent = make.monitor_json(config=config, interval=4, max_retries=-1, intervall=60) | {"name": ""}
    assert set(wrong(sent, MonitorDraft)) == {
        "name",
        "interval",
        "max_retries",
        "intervall",
        "config.url",
        "config.headers.X",
        "config.accepted_statuscodes.1",
        "config.colour",
    }


def test_a_missing_field_is_named_with_what_it_must_be() -> None:
    found = wrong({"type": "http", "config": {}}, MonitorDraft)
    assert found["name"].startswith("is required: must be text of 1 to 150 characters")
    assert set(found) == {"name", "config.url"}


@pytest.mark.parametrize("type_", ["gopher", None, 7])
def test_an_unknown_type_is_answered_with_the_known_ones(type_: Any) -> None:
    found = wrong({"type": type_, "name": "x", "config": {}}, MonitorDraft)
    assert found == {"type": f"must be one of: {', '.join(TARGETS)}"}


def test_a_missing_type_is_required() -> None:
    assert list(wrong({"name": "x"}, ChannelDraft)) == ["type"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("interval", "60", "must be a whole number from 5 to 2678400"),
        ("interval", 60.5, "must be a whole number from 5 to 2678400"),
        ("active", "true", "must be true or false"),
        ("active", 1, "must be true or false"),
        ("timeout", 0, "must be a number above 0 to 600 or null"),
        ("notification_channel_ids", "x", "must be a list of at most 100 items or null"),
        ("name", ["x"], "must be text of 1 to 150 characters"),
    ],
)
def test_values_are_not_coerced_and_the_error_describes_valid_ones(field: str, value: Any, expected: str) -> None:
    message = wrong(make.monitor_json(**{field: value}), MonitorDraft)[field]
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("auth", "fields"),
    [
        ({"method": "telepathy"}, {"config.auth.method"}),
        ({"method": "basic", "username": 1, "passwort": "x"}, {"config.auth.username", "config.auth.passwort"}),
        ({"method": "bearer"}, {"config.auth.token"}),
        ("basic", {"config.auth"}),
    ],
)
def test_a_choice_inside_is_followed_by_its_own_tag(auth: Any, fields: set[str]) -> None:
    sent = make.monitor_json(config={"url": "http://127.0.0.1/", "auth": auth})
    assert set(wrong(sent, MonitorDraft)) == fields


def test_the_type_may_be_repeated_inside_and_must_agree() -> None:
    config = {"url": "http://127.0.0.1/", "type": "tcp"}
    assert wrong(make.monitor_json(config=config), MonitorDraft) == {"config.type": "must be one of: http"}


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    assert wrong({"intervall": 60}, MonitorPatch)["intervall"].endswith("did you mean 'interval'?")


@pytest.mark.parametrize("sent", [[], "x", 1, None])
def test_a_body_that_is_no_object_is_refused(sent: Any) -> None:
    assert wrong(sent, MonitorPatch) == {"": "must be an object"}


def test_text_that_no_database_keeps_is_refused_behind_whatever_number_of_others() -> None:
    assert wrong({"config": {"a": [[]] * 5_000 + ["\0"]}}, MonitorPatch) == {"": structs.UNSTORABLE_TEXT}
    assert bodies.decode_body(b'{"name":"a backslash, \\\\u0000"}', MonitorPatch).name == "a backslash, \\u0000"


def test_a_wrong_value_behind_many_good_ones_is_named_by_its_place() -> None:
    config = {"url": "http://a.test", "accepted_statuscodes": ["200"] * 5_000 + [1]}
    found = wrong({"type": "http", "name": "x", "config": config}, MonitorDraft)
    assert found == {"": "Expected `str`, got `int` - at `$.config.accepted_statuscodes[5000]`"}


def test_numbers_that_are_slow_to_read_are_few() -> None:
    with pytest.raises(Malformed, match="more than 1,000 numbers with an exponent"):
        bodies.decode_body(b'{"config":{"a":[' + b"1e300, " * 1_001 + b"1]}}", MonitorPatch)
    assert (
        bodies.decode_body(b'{"config":{"a":[' + b"1e300, " * 1_000 + b'"1e30"]}}', MonitorPatch).config["a"][0]
        == 1e300
    )


def test_text_that_no_database_keeps_is_refused() -> None:
    assert list(wrong({"config": {"keyword": "a\0b"}, "name": "x\0"}, MonitorPatch)) == ["config.keyword", "name"]


@pytest.mark.parametrize("sent", [b"{", b"", b"{'a': 1}", b'{"a":"\\ud800"}', b"\xff\xfe", b"NaN", b'{"a":1e999}'])
def test_invalid_json_is_rejected_as_malformed(sent: bytes) -> None:
    with pytest.raises(Malformed):
        bodies.decode_body(sent, dict[str, Any])


@pytest.mark.parametrize(
    "url",
    ["http://user:pass@host/", "file:///etc/passwd", "javascript:alert(1)", "http://", "//host/", "gopher://host/"],
)
def test_an_address_with_credentials_or_a_strange_scheme_is_refused(url: str) -> None:
    assert list(wrong(make.monitor_json(config={"url": url}), MonitorDraft)) == ["config.url"]


PATHS = {"/api/v1/tags": {"name": "straße"}, "/api/v1/auth/login": {"email": "ada@example.org", "password": "straße"}}


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "nonsense"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_coded_body_is_refused_with_what_is_supported(client: Client, path: str, coding: str) -> None:
    packed = gzip.compress(msgspec.json.encode(PATHS[path]))
    headers = {**ADMIN_HEADERS, "Content-Type": "application/json", "Content-Encoding": coding}
    response = await client.post(path, content=packed, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert response.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("charset", "encoding", "status"),
    [
        ("utf-8", "utf-8", 201),
        ('"UTF-8"', "utf-8", 201),
        ("us-ascii", "utf-8", 201),
        ("iso-8859-1", "utf-8", 201),  # a charset has no meaning for JSON (RFC 8259, 11)
        ("utf-16", "utf-16", 201),
        ("iso-8859-1", "iso-8859-1", 415),
        ("windows-1252", "windows-1252", 415),
        ("nonsense", "iso-8859-1", 415),
        ("utf-8", "iso-8859-1", 400),
    ],
)
async def test_a_body_is_utf_8_or_says_in_which_charset_it_is_not_read(
    client: Client, charset: str, encoding: str, status: int
) -> None:
    headers = {**ADMIN_HEADERS, "Content-Type": f"application/json; charset={charset}", "Content-Encoding": "identity"}
    response = await client.post("/api/v1/tags", content='{"name": "straße"}'.encode(encoding), headers=headers)
    assert response.status_code == status, response.text
    if status == 415:
        assert "UTF-8" in response.json()["error"]["message"]
    assert "Accept-Encoding" not in response.headers


def test_a_415_is_in_the_document_with_its_header(application: Litestar) -> None:
    spec = msgspec.json.decode(document.build_document(application))
    assert set(spec["components"]["responses"]["UNSUPPORTED_MEDIA_TYPE"]["headers"]) == {
        "Accept-Encoding",
        "X-Request-ID",
    }
    with_body = [one for item in spec["paths"].values() for one in item.values() if "requestBody" in one]
    assert len(with_body) > 40
    assert all("415" in one["responses"] for one in with_body)
