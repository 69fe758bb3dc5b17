"""Exact requests to PagerDuty, Opsgenie, Grafana OnCall and PagerTree, recorded on loopback."""

import json
from typing import Any

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import opsgenie
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Order, Receiver

KEY = "watchkeeper-3b1f"
ACK = "https://watch.example/a/3b1f.c0ffee"
TITLE = "Shop <b>&</b> *bar* is down"
TEXT = "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
ID = sample_messages.message().delivery_id
DOWN = sample_messages.message(incident_id="3b1f", ack_url=ACK)
UP = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP, msg="", incident_id="3b1f", duration_s=192)
ACKED = sample_messages.message(event=EventKind.INCIDENT_ACKNOWLEDGED, status=None, msg="", incident_id="3b1f")
MAINTENANCE = sample_messages.message(event=EventKind.MAINTENANCE_STARTED, monitor=None, msg="At night")
TEST = sample_messages.message(event=EventKind.TEST, monitor=None, msg="", test=True)
ALERTING = ("pagerduty", "opsgenie", "grafana_oncall", "pagertree")


async def sent(
    provider: str, receiver: Receiver, context: SenderContext, message: Message, **changes: Any
) -> list[Any]:
    """Path and body of each request."""
    await send(channel(provider, receiver.url, **changes), message, context)
    assert {(one.method, one.headers["Content-Type"]) for one in receiver.arrivals} <= {("POST", "application/json")}
    return [(one.path, json.loads(one.body)) for one in receiver.arrivals]


async def test_pagerduty_receives_an_outage(receiver: Receiver, context: SenderContext) -> None:
    assert await sent("pagerduty", receiver, context, DOWN) == [
        (
            "/v2/enqueue",
            {
                "routing_key": alarm_channels.ROUTING_KEY,
                "event_action": "trigger",
                "dedup_key": KEY,
                "payload": {
                    "summary": TITLE,
                    "source": sample_messages.SHOP.name,
                    "timestamp": "2026-11-22T12:00:00Z",
                    "severity": "critical",
                    "class": "monitor.down",
                    "component": "http",
                    "custom_details": {"text": TEXT, "event": "monitor.down", "delivery_id": ID},
                },
                "client": "Watchkeeper",
                "links": [{"href": ACK, "text": "Acknowledge"}],
            },
        )
    ]


@pytest.mark.parametrize(
    ("message", "on_recovery", "action"),
    [
        (UP, "resolve", "resolve"),
        (UP, "acknowledge", "acknowledge"),
        (ACKED, "resolve", "acknowledge"),
        (ACKED, "nothing", "acknowledge"),
    ],
)
async def test_pagerduty_receives_how_the_outage_continues(
    message: Message, on_recovery: str, action: str, receiver: Receiver, context: SenderContext
) -> None:
    expected = {"routing_key": alarm_channels.ROUTING_KEY, "event_action": action, "dedup_key": KEY}
    assert await sent("pagerduty", receiver, context, message, on_recovery=on_recovery) == [("/v2/enqueue", expected)]


@pytest.mark.parametrize("provider", ["pagerduty", "pagertree"])
async def test_a_recovery_does_not_resolve_when_configured_so(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    assert await sent(provider, receiver, context, UP, on_recovery="nothing") == []


async def test_other_events_are_changes_for_pagerduty(receiver: Receiver, context: SenderContext) -> None:
    ((path, body),) = await sent("pagerduty", receiver, context, MAINTENANCE)
    assert path == "/v2/change/enqueue"
    assert list(body) == ["routing_key", "payload"]
    assert sorted(body["payload"]) == ["custom_details", "source", "summary", "timestamp"]


@pytest.mark.parametrize("provider", ALERTING[1:])
async def test_other_events_alarm_no_other_service(provider: str, receiver: Receiver, context: SenderContext) -> None:
    assert await sent(provider, receiver, context, MAINTENANCE) == []


async def test_opsgenie_receives_an_outage(receiver: Receiver, context: SenderContext) -> None:
    assert await sent("opsgenie", receiver, context, DOWN) == [
        (
            "/v2/alerts",
            {
                "message": TITLE,
                "alias": KEY,
                "description": f"{TITLE}\n{TEXT}",
                "priority": "P1",
                "source": "Watchkeeper",
                "entity": sample_messages.SHOP.name,
                "tags": ["monitor.down"],
                "details": {"event": "monitor.down", "delivery_id": ID, "acknowledge": ACK},
            },
        )
    ]
    assert receiver.arrivals[0].headers["Authorization"] == f"GenieKey {alarm_channels.GENIE_KEY}"


@pytest.mark.parametrize(("message", "call"), [(UP, "close"), (ACKED, "acknowledge")])
async def test_opsgenie_receives_how_the_outage_continues(
    message: Message, call: str, receiver: Receiver, context: SenderContext
) -> None:
    ((path, body),) = await sent("opsgenie", receiver, context, message)
    assert path == f"/v2/alerts/{KEY}/{call}?identifierType=alias"
    assert body["source"] == "Watchkeeper"
    assert list(body) == ["source", "note"]


@pytest.mark.parametrize(
    ("region", "root"), [("us", "https://api.opsgenie.com"), ("eu", "https://api.eu.opsgenie.com")]
)
def test_opsgenie_s_region_sets_the_host(region: str, root: str) -> None:
    config = channel("opsgenie", "", region=region, server_url=None)
    assert [one.url for one in opsgenie.render(config, DOWN)] == [f"{root}/v2/alerts"]


async def test_grafana_oncall_receives_an_outage_and_its_end(receiver: Receiver, context: SenderContext) -> None:
    await sent("grafana_oncall", receiver, context, DOWN)
    (path, down), (_, up) = await sent("grafana_oncall", receiver, context, UP)
    assert path == alarm_channels.ONCALL_PATH
    assert down == {
        "alert_uid": KEY,
        "title": TITLE,
        "state": "alerting",
        "message": TEXT,
        "link_to_upstream_details": ACK,
    }
    assert up == {
        "alert_uid": KEY,
        "title": "Shop <b>&</b> *bar* is up",
        "state": "ok",
        "message": "It was down for 3 min 12 s.\n2026-11-22 12:00:00 UTC",
    }


@pytest.mark.parametrize(("message", "event_type"), [(DOWN, "create"), (ACKED, "acknowledge"), (UP, "resolve")])
async def test_pagertree_receives_events_under_one_id(
    message: Message, event_type: str, receiver: Receiver, context: SenderContext
) -> None:
    ((path, body),) = await sent("pagertree", receiver, context, message)
    assert path == alarm_channels.PAGERTREE_PATH
    assert (body["event_type"], body["Id"], body["Tags"]) == (event_type, KEY, [str(message.event)])
    assert list(body) == ["event_type", "Id", "Title", "Description", "Tags", "Meta"]
    assert body["Meta"] == {"delivery_id": ID} | ({"acknowledge": ACK} if message is DOWN else {})
    assert body["Title"]
    assert body["Description"]


@pytest.mark.parametrize("provider", ALERTING)
async def test_a_test_ends_by_itself_and_is_of_the_least_severity(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    (_, first), (path, second) = await sent(provider, receiver, context, TEST)
    ends = {"pagerduty": "event_action", "grafana_oncall": "state", "pagertree": "event_type"}
    if provider == "opsgenie":
        assert (first["priority"], path.rpartition("/")[2]) == ("P5", "close?identifierType=alias")
    else:
        assert second[ends[provider]] in {"resolve", "ok"}
    assert f"watchkeeper-test-{ID}" in first.values()
    assert first.get("payload", {"severity": "info"})["severity"] == "info"


@pytest.mark.parametrize(
    ("provider", "body", "reason"),
    [
        (
            "pagerduty",
            {"status": "invalid event", "message": "Event object is invalid", "errors": ["'routing_key' is too short"]},
            "answered 400 Bad Request: Event object is invalid; 'routing_key' is too short",
        ),
        (
            "pagerduty",
            {"message": "Event object is invalid", "errors": 7},
            "answered 400 Bad Request: Event object is invalid",
        ),
        (
            "opsgenie",
            {"message": "Key format is not valid!", "took": 0.1},
            "answered 400 Bad Request: Key format is not valid!",
        ),
        ("grafana_oncall", {"detail": "Integration not found"}, "answered 400 Bad Request: Integration not found"),
        ("pagertree", ["no"], "answered 400 Bad Request"),
    ],
)
async def test_the_service_s_message_is_the_error(
    provider: str, body: Any, reason: str, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=400, body=json.dumps(body)))
    with pytest.raises(DeliveryError) as failed:
        await send(channel(provider, receiver.url), DOWN, context)
    assert (failed.value.reason, failed.value.permanent) == (reason, True)


@pytest.mark.parametrize("provider", ALERTING)
async def test_the_longest_message_is_within_the_service_s_limits(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    longest = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name="&" * 150, type="http"), title="t" * 999, text="ü" * 99_999
    )
    ((_, body),) = await sent(provider, receiver, context, longest)
    if provider == "opsgenie":
        assert (len(body["message"]), len(body["description"])) == (130, 15_000)
    if provider == "pagerduty":
        assert len(body["payload"]["summary"]) <= 1_024
