"""Actions and deduplication keys for services that page."""

from datetime import timedelta

import pytest

from actors.senders.kit.alert_actions import Alert, AlertAction, alert_key, alerts_for, provider_severity
from actors.senders.providers.pagerduty import SEVERITIES
from app.domain.text.message_text import Severity
from schema.events import EventKind
from schema.message import Message
from tests.actors.senders import sample_messages

INCIDENT = "3b1f"


def deeds(message: Message) -> list[AlertAction]:
    return [one.action for one in alerts_for(message)]


@pytest.mark.parametrize("event", EventKind)
def test_every_event_has_its_deed(event: EventKind) -> None:
    (*before, last) = deeds(sample_messages.message(event=event))
    assert before == []
    mild = {"created", "updated", "deleted", "paused", "resumed", "started", "ended", "succeeded", "restarted"}
    mild |= {"node_left", "leader_elected", "rebalanced", "test"}
    good = {"up", "resolved", "node_joined", "recovered"}
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
