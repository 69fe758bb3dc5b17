"""Document 003's webhooks, example by example, made from its text: what is registered, and what then arrives."""

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app import clock, db, queue
from app.api.openapi import document
from app.store.alerting import outbox
from schema.events import Event, EventKind
from tests.app.api.notifying import notifying
from tests.receiver import receiving
from tests.seeds.example import covers

EXAMPLES = Path(__file__).parent / "document_003"
REGISTER, PAYLOAD = EXAMPLES / "webhook_request.json", json.loads((EXAMPLES / "webhook_payload.json").read_text())
HOOKS = "/api/v1/webhooks"
AT = datetime.fromisoformat(PAYLOAD["timestamp"])
AT_MS = round(AT.timestamp() * 1000)


def signed(raw: bytes) -> str:
    secret = json.loads(REGISTER.read_text())["secret"]
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


async def arrived(api, kind: EventKind, data: dict[str, Any]):
    """The example's registration with somewhere to send to; the event; the request that came of it."""
    async with receiving() as receiver, notifying():
        response = await api.post(HOOKS, json=json.loads(REGISTER.read_text()) | {"url": f"{receiver.url}/webhook"})
        assert response.status_code == 201, response.text
        event = Event(id=str(uuid4()), event=kind, at=AT, data=data)
        async with db.transaction():
            deliveries = await outbox.record_events([event], clock.now_ms())
        await queue.put(*queue.notify_jobs(deliveries))
        (arrival,) = await receiver.arrived()
    return arrival


async def test_a_webhook_is_registered_as_it_stands(api):
    response = await api.post(HOOKS, content=REGISTER.read_bytes(), headers={"Content-Type": "application/json"})
    assert response.status_code == 201, response.text
    sent, body = json.loads(REGISTER.read_text()), response.json()
    assert (body["url"], body["events"], body["secret"]) == (sent["url"], sent["events"], "********")


def test_our_openapi_document_has_the_documents_example(application):
    spec = json.loads(document.build_document(application))
    sent = spec["paths"][HOOKS]["post"]["requestBody"]["content"]["application/json"]
    assert sent["example"] == json.loads(REGISTER.read_text())


async def test_the_payload_is_the_documents(api):
    arrival = await arrived(api, EventKind.BACKEND_DOWN, PAYLOAD["data"])
    body = json.loads(arrival.body)
    covers(body, PAYLOAD)
    assert list(body) == list(PAYLOAD)
    assert (body["event"], body["timestamp"]) == (PAYLOAD["event"], PAYLOAD["timestamp"])
    assert {name: body["data"][name] for name in PAYLOAD["data"]} == PAYLOAD["data"]
    assert (arrival.method, arrival.path, arrival.headers["Content-Type"]) == ("POST", "/webhook", "application/json")


async def test_the_signature_is_of_the_body_without_it_and_the_headers_of_the_bytes(api):
    arrival = await arrived(api, EventKind.NODE_FAILED, {"node_id": "node-2", "error": "größer als erwartet"})
    body = json.loads(arrival.body)
    signature = body.pop("signature")
    assert signature == signed(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
    assert arrival.headers["X-Webhook-Signature"] == signed(arrival.body)
    assert arrival.headers["X-Webhook-Timestamp"] == body["timestamp"]
    assert arrival.headers["X-Webhook-Id"] == body["data"]["delivery_id"]


@pytest.mark.parametrize("events_", [["backend.up"], ["cluster.*", "monitor.*"]])
async def test_events_without_a_subscription_are_not_delivered(api, events_):
    await api.post(HOOKS, json=json.loads(REGISTER.read_text()) | {"events": events_})
    async with db.transaction():
        _, deliveries = await outbox.record_event(EventKind.BACKEND_DOWN, PAYLOAD["data"], AT_MS)
    assert deliveries == {}
