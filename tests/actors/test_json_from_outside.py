"""Every reader of external JSON accepts a byte order mark, UTF-16 and UTF-32."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.probes.http import oauth
from actors.probes.types import docker, mqtt, rabbitmq
from actors.senders.kit import retry_after
from app.api.http import bodies
from app.client import check
from app.security.credentials import oidc_client
from schema.targets import Docker

MARKED = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


class Text(msgspec.Struct):
    """A body of the API."""

    text: str


def read_from_a_file(raw: bytes, tmp_path) -> Any:
    (tmp_path / "checks.json").write_bytes(raw)
    return check.read_checks(str(tmp_path / "checks.json"))


READERS: dict[str, tuple[Any, Callable[..., Any], Any]] = {
    "mqtt": ({"a": "ü"}, lambda raw, _: mqtt.payload_value(raw, "a"), "ü"),
    "rabbitmq": ({"reason": "ü"}, lambda raw, _: rabbitmq.failure_reason(503, raw), "ü"),
    "docker": (
        {"State": {"Status": "ü"}},
        lambda raw, _: docker._parse_state(Docker(container="x"), 200, raw).status,
        "ü",
    ),
    "oauth2": ({"access_token": "t"}, lambda raw, _: oauth.parse_token_response(200, raw).access_token, "t"),
    "a sender's reply": ({"error": "ü"}, lambda raw, _: retry_after.json_object(raw), {"error": "ü"}),
    "an OpenID provider": ({"issuer": "ü"}, lambda raw, _: oidc_client._json_object(200, raw), {"issuer": "ü"}),
    "the API's bodies": ({"text": "ü"}, lambda raw, _: bodies.decode_body(raw, Text), Text("ü")),
    "a file of checks": ([{"plugin_type": "ü"}], read_from_a_file, [{"plugin_type": "ü"}]),
}


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_knows_marks_and_wide_characters(reader, encoding, tmp_path):
    document, read, found = READERS[reader]
    assert read(json.dumps(document, ensure_ascii=False).encode(encoding), tmp_path) == found


def test_a_mark_before_a_message_that_is_no_json_is_not_part_of_it():
    assert mqtt.payload_value(b"\xef\xbb\xbfopen", "") == "open"
