"""Webhooks: document 003's body, signed."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import structlog
from hypothesis import given as for_any, strategies as st

from actors.senders import message_from_event, send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.providers import webhook
from app.domain.text.request_templates import RequestParts, render_parts
from schema.channels import Webhook
from schema.channels.webhook import WebhookMethod
from schema.events import Event, EventKind
from schema.status import Status
from tests.actors.senders import sample_messages
from tests.receiver import Order, Receiver

SECRET = "s3cr3t-signing-key"
DOCS = Path(__file__).parents[4] / "docs" / "channels" / "webhook.md"
UP = sample_messages.message(
    event=EventKind.MONITOR_UP,
    status=Status.UP,
    msg="200 OK",
    started_at=sample_messages.AT - timedelta(seconds=192),
    duration_s=192,
    ping_ms=12.5,
)


def signed(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def verifier() -> tuple[Callable[[bytes, str], bool], str]:
    """The docs' own verifier."""
    code = re.search(r"```python\n(.*?def is_genuine.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert code, "the page has a verifier"
    room: dict[str, Any] = {}
    exec(code.group(1), room)
    return room["is_genuine"], code.group(1)


async def test_the_body_matches_the_documentation(receiver: Receiver, context: SenderContext) -> None:
    await send(Webhook(url=f"{receiver.url}/hook", secret=SECRET), UP, context)
    (arrival,) = receiver.arrivals
    body = json.loads(arrival.body)
    assert list(body) == ["event", "timestamp", "data", "signature"]
    assert (body["event"], body["timestamp"]) == ("monitor.up", "2026-11-22T12:00:00Z")
    assert body["data"] == {
        "delivery_id": UP.delivery_id,
        "monitor": {"id": sample_messages.SHOP.id, "name": sample_messages.SHOP.name, "type": "http"},
        "status": 1,
        "msg": "200 OK",
        "started_at": "2026-11-22T11:56:48Z",
        "duration": 192,
        "ping": 12.5,
    }


async def test_the_headers_name_the_delivery_and_sign_the_raw_body(receiver: Receiver, context: SenderContext) -> None:
    await send(Webhook(url=f"{receiver.url}/hook", secret=SECRET), UP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.method, arrival.path, arrival.id) == ("POST", "/hook", UP.delivery_id)
    assert arrival.headers["Content-Type"] == "application/json"
    assert arrival.headers["User-Agent"] == "Watchkeeper"
    assert arrival.headers["X-Webhook-Timestamp"] == "2026-11-22T12:00:00Z"
    assert arrival.headers["X-Webhook-Signature"] == signed(SECRET, arrival.body)


async def test_a_second_attempt_is_the_same_to_the_byte(receiver: Receiver, context: SenderContext) -> None:
    for _ in range(2):
        await send(Webhook(url=receiver.url, secret=SECRET), UP, context)
    first, second = receiver.arrivals
    assert (first.id, first.body, first.headers) == (second.id, second.body, second.headers)


def test_the_signature_signs_the_compact_json_of_the_rest() -> None:
    body = json.loads(webhook.render(Webhook(url="http://a.example", secret=SECRET), UP).body)
    signature = body.pop("signature")
    rest = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    assert signature == signed(SECRET, rest)


def test_without_a_secret_there_is_no_signature_anywhere() -> None:
    request = webhook.render(Webhook(url="http://a.example"), UP)
    assert "signature" not in json.loads(request.body)
    assert "X-Webhook-Signature" not in request.headers


@for_any(name=st.text(), msg=st.text(), duration=st.floats(0, 1e9), secret=st.text(min_size=1))
def test_the_verifier_of_the_docs_agrees_whatever_is_in_the_message(
    name: str, msg: str, duration: float, secret: str
) -> None:
    is_genuine, _ = verifier()
    shop = sample_messages.MessageMonitor(id="1", name=name, type="http")
    message = sample_messages.message(monitor=shop, msg=msg, duration_s=round(duration, 3))
    raw = webhook.render(Webhook(url="http://a.example", secret=secret), message).body
    assert is_genuine(raw, secret)
    assert not is_genuine(raw, secret + "x")


def test_the_verifier_of_the_docs_has_six_lines_and_rejects_a_changed_body() -> None:
    is_genuine, code = verifier()
    raw = webhook.render(Webhook(url="http://a.example", secret=SECRET), UP).body
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith("import")]) <= 6
    assert not is_genuine(raw.replace(b'"status":1', b'"status":0'), SECRET)


async def test_headers_of_the_channel_are_sent_and_ours_can_not_be_replaced(
    receiver: Receiver, context: SenderContext
) -> None:
    own = {"Authorization": "Bearer abc", "user-agent": "mine", "x-webhook-id": "forged", "CONTENT-TYPE": "text/plain"}
    await send(Webhook(url=receiver.url, headers=own), UP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.headers["Authorization"], arrival.headers["User-Agent"]) == ("Bearer abc", "mine")
    assert (arrival.id, arrival.headers["Content-Type"]) == (UP.delivery_id, "application/json")


@pytest.mark.parametrize("headers", [{"X-A": "b\r\nX-Evil: c"}, {"X-A\r\nX-Evil": "b"}, {"": "b"}, {"X A": "b"}])
async def test_a_header_can_not_smuggle_another_one(
    headers: dict[str, str], receiver: Receiver, context: SenderContext
) -> None:
    with pytest.raises(DeliveryError, match="characters that headers can't have") as failed:
        await send(Webhook(url=receiver.url, headers=headers), UP, context)
    assert failed.value.permanent
    assert receiver.arrivals == []


async def test_the_document_s_payload_is_reproduced(receiver: Receiver, context: SenderContext) -> None:
    at = datetime(2025, 8, 9, 12, 0, 0, tzinfo=UTC)
    facts = {"backend": "app-1", "error": "Health check failed"}
    event = Event(id="e1", event=EventKind.BACKEND_DOWN, at=at, data=facts)
    await send(Webhook(url=receiver.url, secret="webhook-secret"), message_from_event(event, "d1"), context)
    body = json.loads(receiver.arrivals[0].body)
    assert list(body) == ["event", "timestamp", "data", "signature"]
    assert (body["event"], body["timestamp"]) == ("backend.down", "2025-08-09T12:00:00Z")
    assert body["data"] == facts | {"delivery_id": "d1"}
    rest = {name: body[name] for name in ("event", "timestamp", "data")}
    assert body["signature"] == signed("webhook-secret", json.dumps(rest, separators=(",", ":")).encode())


def test_an_event_s_own_fields_are_sent_and_the_usual_ones_stay() -> None:
    stored = {"monitor": {"id": "m1", "name": "Shop", "type": "http"}, "status": 0, "msg": "", "duration": 192.0}
    stored |= {"ping": 0.1 + 0.2, "incident": {"id": "i1"}, "reminder": True, "delivery_id": "forged", "gone": None}
    message = message_from_event(Event(id="e1", event=EventKind.MONITOR_DOWN, at=sample_messages.AT, data=stored), "d1")
    assert json.loads(webhook.render(Webhook(url="http://a.example"), message).body)["data"] == {
        "delivery_id": "d1",
        "monitor": {"id": "m1", "name": "Shop", "type": "http"},
        "status": 0,
        "duration": 192,
        "ping": 0.3,
        "incident": {"id": "i1"},
        "reminder": True,
    }


def test_a_digest_has_all_its_members() -> None:
    first = sample_messages.message(delivery_id="d0")
    data = json.loads(webhook.render(Webhook(url="http://a.example"), sample_messages.message(merged=(first,))).body)[
        "data"
    ]
    (other,) = data["others"]
    assert (other["event"], other["timestamp"], other["data"]["delivery_id"]) == (
        "monitor.down",
        "2026-11-22T12:00:00Z",
        "d0",
    )
    assert list(other) == ["event", "timestamp", "data"]


async def test_while_a_secret_changes_both_sign(receiver: Receiver, context: SenderContext) -> None:
    await send(Webhook(url=receiver.url, secret=SECRET, previous_secret="the one before"), UP, context)
    (arrival,) = receiver.arrivals
    assert arrival.headers["X-Webhook-Signature"] == signed(SECRET, arrival.body)
    assert arrival.headers["X-Webhook-Signature-Previous"] == signed("the one before", arrival.body)
    is_genuine, _ = verifier()
    assert is_genuine(arrival.body, SECRET)


async def test_otherwise_there_is_one_signature(receiver: Receiver, context: SenderContext) -> None:
    await send(Webhook(url=receiver.url, secret=SECRET), UP, context)
    assert "X-Webhook-Signature-Previous" not in receiver.arrivals[0].headers


def test_facts_that_an_event_lacks_are_left_out() -> None:
    message = sample_messages.message(
        event=EventKind.TEST, monitor=None, status=None, msg="hello", started_at=None, test=True
    )
    data = json.loads(webhook.render(Webhook(url="http://a.example"), message).body)["data"]
    assert data == {"delivery_id": message.delivery_id, "msg": "hello", "test": True}


@pytest.mark.parametrize("method", list(WebhookMethod))
async def test_a_request_of_ones_own_is_signed_as_it_is_sent(
    method: WebhookMethod, receiver: Receiver, context: SenderContext
) -> None:
    body = '{"text": {{ name | json }}, "up": {{ status_code }}}'
    await send(Webhook(url=receiver.url, secret=SECRET, method=method, body=body), UP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.method, arrival.headers["Content-Type"]) == (method, "application/json")
    assert json.loads(arrival.body) == {"text": sample_messages.SHOP.name, "up": 1}
    assert arrival.headers["X-Webhook-Signature"] == signed(SECRET, arrival.body)
    assert arrival.id == UP.delivery_id


async def test_a_get_without_a_body_of_its_own_has_none(receiver: Receiver, context: SenderContext) -> None:
    await send(Webhook(url=receiver.url, secret=SECRET, method=WebhookMethod.GET), UP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.body, "Content-Type" in arrival.headers) == (b"", False)
    assert arrival.headers["X-Webhook-Signature"] == signed(SECRET, b"")


async def test_the_content_type_is_that_of_the_channel(receiver: Receiver, context: SenderContext) -> None:
    config = Webhook(url=receiver.url, body="{{ name }} ✓", content_type="text/plain; charset=utf-8")
    await send(config, UP, context)
    (arrival,) = receiver.arrivals
    assert (arrival.headers["Content-Type"], arrival.body) == (config.content_type, "Shop <b>&</b> *bar* ✓".encode())


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ({"username": "änn", "password": "sesame: open"}, "Basic w6RubjpzZXNhbWU6IG9wZW4="),
        ({"bearer_token": "abc.def"}, "Bearer abc.def"),
    ],
)
async def test_a_channel_signs_in(
    login: dict[str, Any], header: str, receiver: Receiver, context: SenderContext
) -> None:
    await send(Webhook(url=receiver.url, **login), UP, context)
    receiver.answer(Order(status=401))
    with pytest.raises(DeliveryError) as failed:
        await send(Webhook(url=receiver.url, **login), UP, context)
    assert [arrival.headers["Authorization"] for arrival in receiver.arrivals] == [header, header]
    assert failed.value.channel_level


@pytest.mark.parametrize("url", ["/hook", "/hook?key=a%2Fb", "/hook?key=a%2Fb#part"])
async def test_parameters_are_added_to_the_query(url: str, receiver: Receiver, context: SenderContext) -> None:
    query = {"text": "{{ name }} & {{ msg }}", "to": "+49", "late": "{{ late }}"}
    await send(Webhook(url=f"{receiver.url}{url}", method=WebhookMethod.GET, query=query), UP, context)
    path, _, sent = receiver.arrivals[0].path.partition("?")
    assert path == "/hook"
    expected = [("text", "Shop <b>&</b> *bar* & 200 OK"), ("to", "+49"), ("late", "")]
    assert parse_qsl(sent, keep_blank_values=True)[-3:] == expected
    assert sent.startswith("key=a%2Fb&") == ("key" in url)


@for_any(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_any_parameter_arrives_as_it_was_rendered(query: dict[str, str]) -> None:
    utf8 = {key: value for key, value in query.items() if (key + value).isprintable()}
    url = webhook.render(Webhook(url="http://a.example/x?y=1"), UP, RequestParts(query=utf8)).url
    assert parse_qsl(url.partition("?")[2], keep_blank_values=True) == [("y", "1"), *utf8.items()]


async def test_a_template_that_fails_does_not_cost_the_message(receiver: Receiver, context: SenderContext) -> None:
    query = {"bad": "{{ name | plus: 1 | divided_by: 0 }}", "good": "1"}
    config = Webhook(url=receiver.url, body="{{ 1 | divided_by: 0 }}", content_type="text/plain", query=query)
    with structlog.testing.capture_logs() as logs:
        await send(config, UP, context)
    (arrival,) = receiver.arrivals
    assert (json.loads(arrival.body)["event"], arrival.headers["Content-Type"]) == ("monitor.up", "application/json")
    assert arrival.path == "/?good=1"
    (logged,) = (one for one in logs if one["event"] == "notify.template_failed")
    assert [one.partition(":")[0] for one in logged["errors"]] == ["body", "query.bad"]


def test_a_variable_without_a_value_is_empty_in_a_request() -> None:
    digest = sample_messages.message(merged=[sample_messages.message()])
    parts = render_parts(Webhook(url="http://a.example", body="{{ days }}!", query={"days": "{{ days }}"}), digest)
    assert (parts.body, parts.query, parts.errors) == ("!", {"days": ""}, [])


def test_a_body_above_the_limit_is_never_cut_off() -> None:
    body = "{% for i in (1..90) %}" + "x" * 200 + "{% endfor %}"
    parts = render_parts(Webhook(url="http://a.example", body=body), UP)
    assert parts.body is None
    assert [one.partition(":")[0] for one in parts.errors] == ["body"]
