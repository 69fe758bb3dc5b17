"""Actions and deduplication keys for services that page."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from actors.senders.kit.alert_actions import Alert, AlertAction, alert_key, alerts_for, provider_severity
from actors.senders.providers.pagerduty import SEVERITIES
from app.domain.alerting import alarms, sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text.message_text import Severity
from schema.events import EventKind
from schema.message import Message, MessageMonitor
from tests.actors.senders import sample_messages

INCIDENT = "3b1f"
SYSTEM = {kind for kind in EventKind if kind.startswith("system.")}  # told apart by their beginning, and channels


def deeds(message: Message) -> list[AlertAction]:
    return [one.action for one in alerts_for(message)]


@pytest.mark.parametrize("event", EventKind)
def test_every_event_has_its_deed(event: EventKind) -> None:
    (*before, last) = deeds(sample_messages.message(event=event))
    assert before == []
    mild = {"created", "updated", "deleted", "paused", "resumed", "started", "ended", "restarted"}
    mild |= {"leader_elected", "rebalanced", "test"}
    good = {"up", "resolved", "cleared", "node_joined", "node_left", "succeeded", "recovered"}
    name = str(event).partition(".")[2]
    assert last is (
        AlertAction.NONE
        if name in mild
        else AlertAction.CLOSE
        if name in good
        else AlertAction.ACKNOWLEDGE
        if name == "acknowledged"
        else AlertAction.OPEN
    )


def test_a_test_opens_and_closes_under_a_key_of_its_own() -> None:
    test = sample_messages.message(event=EventKind.TEST, test=True)
    assert deeds(test) == [AlertAction.OPEN, AlertAction.CLOSE]
    assert alert_key(test) == f"watchkeeper-test-{test.delivery_id}"
    assert alert_key(sample_messages.message(test=True, incident_id=INCIDENT)) == alert_key(test)


CERTIFICATE: dict[str, Any] = {"fingerprint": "ab12", "name": "CN=shop.example"}
DOMAIN: dict[str, Any] = {"name": "shop.example"}
ON_CALL = {"what": "channel_failing", "channel": {"id": "c1", "name": "On call", "type": "ntfy"}}
LAG = {"what": "schedule_lag", "started_at": "2026-11-22T12:00:00.250Z"}


def about(event: EventKind, monitor: MessageMonitor | None = sample_messages.SHOP, **facts: Any) -> Message:
    return sample_messages.message(event=event, monitor=monitor, facts=facts)


@pytest.mark.parametrize(
    ("opening", "closing", "key"),
    [
        (about(EventKind.MONITOR_DEGRADED), about(EventKind.MONITOR_CLEARED, what="degraded"), "6d1c-degraded"),
        (about(EventKind.MONITOR_UNKNOWN), about(EventKind.MONITOR_CLEARED, what="unknown"), "6d1c-unknown"),
        (
            about(EventKind.CERTIFICATE_EXPIRING, **CERTIFICATE),
            about(EventKind.MONITOR_CLEARED, what="certificate", **CERTIFICATE),
            "6d1c-certificate-ab12",
        ),
        (
            about(EventKind.DOMAIN_EXPIRING, **DOMAIN),
            about(EventKind.MONITOR_CLEARED, what="domain", **DOMAIN),
            "6d1c-domain-shop.example",
        ),
        (
            about(EventKind.CHANNEL_FAILING, None, **ON_CALL),
            about(EventKind.RECOVERED, None, **ON_CALL, started_at="2026-11-22T11:00:00Z"),
            "system-channel_failing-c1",
        ),
        (
            about(EventKind.SCHEDULE_LAG, None, **LAG),
            about(EventKind.RECOVERED, None, **LAG),
            "system-schedule_lag-1795348800250",
        ),
        (
            about(EventKind.DEPLOYMENT_FAILED, None, deployment="7", project="shop"),
            about(EventKind.DEPLOYMENT_SUCCEEDED, None, deployment="8", project="shop"),
            "deployment-shop",
        ),
        (
            about(EventKind.NODE_FAILED, None, node_id="node-2"),
            about(EventKind.NODE_LEFT, None, node_id="node-2"),
            "cluster-node-2",
        ),
    ],
)
def test_an_alarm_is_closed_on_the_key_that_opened_it(opening: Message, closing: Message, key: str) -> None:
    assert (deeds(opening), deeds(closing)) == ([AlertAction.OPEN], [AlertAction.CLOSE])
    assert alert_key(opening) == alert_key(closing) == f"watchkeeper-{key}"


SUBJECTS = {
    EventKind.MONITOR_DOWN: ["incident"],
    EventKind.MONITOR_DEGRADED: ["monitor"],
    EventKind.MONITOR_UNKNOWN: ["monitor"],
    EventKind.CERTIFICATE_EXPIRING: ["monitor", "fingerprint"],
    EventKind.DOMAIN_EXPIRING: ["monitor", "name"],
    EventKind.INCIDENT_OPENED: ["incident"],
    EventKind.INCIDENT_ESCALATED: ["incident"],
    EventKind.BACKEND_DOWN: ["backend"],
    EventKind.RECOVERY_EXHAUSTED: ["backend"],
    EventKind.DEPLOYMENT_FAILED: ["project"],
    EventKind.NODE_FAILED: ["node_id"],
    **{kind: ["started_at"] for kind in SYSTEM if kind in alarms.OPENING},
    EventKind.CHANNEL_FAILING: ["channel"],
}


def test_every_event_that_opens_an_alarm_has_a_subject() -> None:
    assert set(SUBJECTS) == set(alarms.OPENING)


@pytest.mark.parametrize(("kind", "subject"), [(kind, name) for kind, names in SUBJECTS.items() for name in names])
def test_another_subject_is_another_alarm(kind: EventKind, subject: str) -> None:
    """As events are stored: another monitor, node, certificate …"""
    event = sample_events.sample_event(kind)
    is_resource = isinstance(event.data.get(subject), dict)
    other = {"id": "other", "name": "other", "type": "http"} if is_resource else "2025-08-09T11:56:49Z"
    changed = msgspec.structs.replace(event, data=event.data | {subject: other})
    first, second = (alert_key(message_from_event(one, "delivery")) for one in (event, changed))
    assert first != second


def test_two_installations_have_two_alarms_for_one_problem() -> None:
    later = LAG | {"started_at": "2026-11-22T12:00:00.251Z"}
    first, second = (about(EventKind.SCHEDULE_LAG, None, **facts) for facts in (LAG, later))
    assert alert_key(first) != alert_key(second)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (sample_messages.message(incident_id=INCIDENT), INCIDENT),
        (sample_messages.message(incident_id=INCIDENT, reminder=True), INCIDENT),
        (sample_messages.message(event=EventKind.MONITOR_UP, incident_id=INCIDENT), INCIDENT),
        (sample_messages.message(event=EventKind.INCIDENT_ACKNOWLEDGED, monitor=None, incident_id=INCIDENT), INCIDENT),
        (sample_messages.message(), sample_messages.SHOP.id),
        (sample_messages.message(event=EventKind.MONITOR_UP), sample_messages.SHOP.id),
        (sample_messages.message(event=EventKind.CERTIFICATE_EXPIRING), f"{sample_messages.SHOP.id}-certificate"),
        (sample_messages.message(event=EventKind.DOMAIN_EXPIRING), f"{sample_messages.SHOP.id}-domain"),
        (
            sample_messages.message(event=EventKind.BACKEND_DOWN, monitor=None, facts={"backend": "app-1"}),
            "backend-app-1",
        ),
        (
            sample_messages.message(event=EventKind.BACKEND_UP, monitor=None, facts={"backend": "app-1"}),
            "backend-app-1",
        ),
        (
            sample_messages.message(event=EventKind.NODE_FAILED, monitor=None, facts={"node_id": "node-2"}),
            "cluster-node-2",
        ),
        (
            sample_messages.message(event=EventKind.NODE_JOINED, monitor=None, facts={"node_id": "node-2"}),
            "cluster-node-2",
        ),
        (sample_messages.message(event=EventKind.SCHEDULE_LAG, monitor=None), "system-schedule_lag"),
        (
            sample_messages.message(event=EventKind.RECOVERED, monitor=None, facts={"what": "system.schedule_lag"}),
            "system-schedule_lag",
        ),
        (
            sample_messages.message(event=EventKind.RECOVERED, monitor=None, facts={"what": "disk_full"}),
            "system-disk_full",
        ),
        (
            sample_messages.message(event=EventKind.DEPLOYMENT_FAILED, monitor=None),
            "deployment-" + sample_messages.message().delivery_id,
        ),
    ],
)
def test_beginning_and_end_share_a_key(message: Message, key: str) -> None:
    assert alert_key(message) == f"watchkeeper-{key}"


def test_a_key_is_never_longer_than_services_take() -> None:
    assert len(alert_key(sample_messages.message(incident_id="x" * 999))) == 255


def test_a_digest_is_executed_member_by_member_the_oldest_first() -> None:
    down = sample_messages.message(incident_id="a", delivery_id="1")
    other = sample_messages.message(incident_id="b", delivery_id="2", at=sample_messages.AT + timedelta(seconds=1))
    up = sample_messages.message(
        event=EventKind.MONITOR_UP, incident_id="a", at=sample_messages.AT + timedelta(seconds=2), merged=(other, down)
    )
    alerts = alerts_for(up)
    assert [(one.action, one.key) for one in alerts] == [
        (AlertAction.OPEN, "watchkeeper-a"),
        (AlertAction.OPEN, "watchkeeper-b"),
        (AlertAction.CLOSE, "watchkeeper-a"),
    ]
    assert [one.message.merged for one in alerts] == [(), (), ()]
    assert alerts[0] == Alert(AlertAction.OPEN, "watchkeeper-a", down)


@pytest.mark.parametrize(
    ("mood", "worst", "severity"),
    [
        (Severity.CRITICAL, "critical", "critical"),
        (Severity.CRITICAL, "info", "info"),
        (Severity.WARNING, "critical", "warning"),
        (Severity.WARNING, "info", "info"),
        (Severity.INFO, "critical", "info"),
        (Severity.RESOLVED, "error", "info"),
    ],
)
def test_no_alert_exceeds_the_configured_severity_of_an_outage(mood: Severity, worst: str, severity: str) -> None:
    assert provider_severity(mood, worst, SEVERITIES) == severity
