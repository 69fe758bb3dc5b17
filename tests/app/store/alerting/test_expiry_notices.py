"""The expiry of a certificate is notified at each threshold, once, whatever is checked, restarted or renewed."""

from datetime import UTC, datetime

import msgspec
import pytest

from app import db
from app.clock import epoch_ms
from app.domain.alerting.expiry import DAY_MS
from app.security.secrets import sealing
from app.store.alerting import expiry_notices, webhooks
from app.store.monitoring import series
from app.store.system import settings
from app.store.transactions import monitors, results
from schema.events import EventKind
from schema.heartbeat_texts import STARTED
from schema.jobs import ExpiringItem
from schema.settings import SettingPatch
from schema.status import Status
from schema.webhooks import WebhookDraft
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS
ENDS_MS = NOW + 40 * DAY_MS
LEAF = ExpiringItem("certificate", "ab12", "CN=shop.example", "CN=An Authority", ENDS_MS)
EXPIRED = ExpiringItem("certificate", "", "", "", 0)


@pytest.fixture(autouse=True)
def fresh(store):
    sealing.prepare(store)
    settings.clear_cache()
    expiry_notices.clear_cache()


@pytest.fixture
async def known():
    """Two monitors."""
    numbers = [
        plan.series for name in ("one", "two") for plan in (await monitors.create(make.monitor(name=name))).schedules
    ]
    return {one.series: one for one in await series.list_snapshots(numbers)}


async def notified_days(known, *left_days: float, ends: ExpiringItem = LEAF, no: int | None = None, **changes):
    """Check when so many days are left, one check after the other: the days that were notified."""
    notified = []
    for days in left_days:
        at_ms = ENDS_MS - round(days * DAY_MS)
        outcome = make.outcome(series=no or min(known), at_ms=at_ms, expiring=ends, **changes)
        events = (await results.store_results(make.results(outcome), known, at_ms)).events
        notified += [event.data["days"] for event in events if event.event is EventKind.CERTIFICATE_EXPIRING]
    return notified


async def test_each_threshold_is_sent_once_on_its_way_to_the_end(known):
    days = [45, 30.5, 30, 29, 14.2, 13.9, 13, 7, 6, 2.9, 1, 0.5, 0, -1, -20]
    assert await notified_days(known, *days) == [30, 14, 7, 2, 1, 0]  # the days left then


async def test_a_late_subscriber_gets_one_notice(known):
    assert await notified_days(known, 5, 4.5, 4) == [5]
    assert [row["days"] for row in await db.rows("SELECT days FROM expiry_notices ORDER BY days")] == [7, 14, 30]
    assert await notified_days(known, 3) == [3]


async def test_an_expired_certificate_is_notified_once(known):
    assert await notified_days(known, -2, -3) == [-2]


async def test_a_restart_sends_nothing_again(known):
    assert await notified_days(known, 20) == [20]
    expiry_notices.clear_cache()
    assert await notified_days(known, 19) == []


async def test_a_certificate_that_is_on_record_costs_no_statement(known, statements):
    assert await notified_days(known, 20) == [20]
    statements.clear()
    assert await notified_days(known, 19, 18) == []
    assert statements
    assert not [sql for sql in statements if "expiry_notices" in sql]


async def test_a_renewed_certificate_begins_anew(known):
    assert await notified_days(known, 10, 9) == [10]
    renewed = msgspec.structs.replace(LEAF, identity="cd34")
    assert await notified_days(known, 8, 7, ends=renewed) == [8, 7]


async def test_two_monitors_of_one_certificate_send_a_notice_each(known):
    first, second = known
    assert await notified_days(known, 10, no=first) == [10]
    assert await notified_days(known, 9, no=second) == [9]


async def test_an_expiry_is_sent_although_the_handshake_shows_no_certificate_any_more(known):
    assert await notified_days(known, 1) == [1]
    assert await notified_days(known, -0.5, -1, ends=EXPIRED) == [-1]
    renewed = ExpiringItem("certificate", "cd34", "CN=shop.example", "CN=An Authority", ENDS_MS + 90 * DAY_MS)
    assert await notified_days(known, -60, ends=renewed) == [30]
    assert await notified_days(known, -90.5, ends=EXPIRED) == [-1]


async def test_a_certificate_first_seen_expired_fails_the_monitor_without_a_notice(known):
    assert await notified_days(known, 3, ends=EXPIRED) == []


async def test_another_certificates_fault_is_not_the_end_of_ours(known):
    assert await notified_days(known, 20) == [20]
    assert await notified_days(known, 19, ends=EXPIRED) == []


async def test_the_notice_names_what_ends_and_when(known):
    outcome = make.outcome(series=min(known), at_ms=ENDS_MS - 7 * DAY_MS, expiring=LEAF)
    (event,) = (await results.store_results(make.results(outcome), known, NOW)).events
    snapshot = known[min(known)]
    assert event.monitor_id == snapshot.monitor_id
    assert event.data == {
        "monitor": {"id": snapshot.monitor_id, "name": "one", "type": "http"},
        "name": "CN=shop.example",
        "expires_at": datetime.fromtimestamp(ENDS_MS / 1000, UTC),
        "days": 7,
        "issuer": "CN=An Authority",
        "fingerprint": "ab12",
    }


async def test_a_domain_has_its_own_event_and_starts_anew_when_it_was_renewed(known):
    notified = []
    for year, left in ((1, 10), (1, 9), (2, 8)):
        ends = ExpiringItem("domain", f"shop.example {year}", "shop.example", "Names Ltd", ENDS_MS)
        outcome = make.outcome(series=min(known), at_ms=ENDS_MS - left * DAY_MS, expiring=ends)
        notified += (await results.store_results(make.results(outcome), known, NOW)).events
    assert [(one.event, one.data["days"]) for one in notified] == [("domain.expiring", 10), ("domain.expiring", 8)]
    assert (notified[0].data["name"], notified[0].data["registrar"]) == ("shop.example", "Names Ltd")


async def test_the_thresholds_in_days_are_a_setting(known):
    await settings.update("expiry.notify_days", SettingPatch(value=[60, 2]))
    assert await notified_days(known, 59, 30, 14, 2, 1, -1) == [59, 2]
    await settings.update("expiry.notify_days", SettingPatch(value=[]))
    assert await notified_days(known, 1, ends=msgspec.structs.replace(LEAF, identity="cd34")) == []


async def test_a_notice_that_was_not_committed_is_sent_with_the_next_check(known, monkeypatch):
    async def broken(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr("app.store.alerting.outbox.record_events", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            await notified_days(known, 10)
    assert await notified_days(known, 9) == [9]


async def test_subscribers_get_the_notice(known):
    hook = await webhooks.create(WebhookDraft(url="http://127.0.0.1:9/", events=["certificate.*"]))
    outcome = make.outcome(series=min(known), at_ms=ENDS_MS - DAY_MS, expiring=LEAF)
    stored = await results.store_results(make.results(outcome), known, NOW)
    assert list(stored.deliveries) == [hook.id]


async def test_with_its_monitor_all_is_forgotten(known):
    assert await notified_days(known, 10) == [10]
    await monitors.delete(known[min(known)].monitor_id)
    assert await db.rows("SELECT * FROM expiry_notices") == []
    assert await notified_days(known, 5) == []


async def over(known, *left_days: float, no: int | None = None, **changes):
    """Check when so many days are left: what is over, by fingerprint, and since how many days before the end."""
    found = []
    for days in left_days:
        at_ms = ENDS_MS - round(days * DAY_MS)
        outcome = make.outcome(series=no or min(known), at_ms=at_ms, **changes)
        events = (await results.store_results(make.results(outcome), known, at_ms)).events
        found += [event for event in events if event.event is EventKind.MONITOR_CLEARED]
    return [
        (one.data["what"], one.data["fingerprint"], (ENDS_MS - epoch_ms(one.data["started_at"])) // DAY_MS)
        for one in found
    ]


RENEWED = msgspec.structs.replace(LEAF, identity="cd34", expires_ms=ENDS_MS + 60 * DAY_MS)


@pytest.mark.parametrize("ends", [RENEWED, None], ids=["soon", "much later"])
async def test_a_renewed_certificate_ends_the_warning_once(known, ends):
    assert await notified_days(known, 20, 7) == [20, 7]
    assert await over(known, 6, expiring=LEAF) == []
    assert await over(known, 5, 4, expiring=ends) == [("certificate", "ab12", 20)]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.DOWN},
        {"status": Status.UNKNOWN},
        {"status": Status.DEGRADED},  # a slow response is one before its certificate is looked at
        {"status": Status.DOWN, "expiring": EXPIRED},
        {"expiring": msgspec.structs.replace(LEAF, identity="0ld", expires_ms=ENDS_MS - DAY_MS)},
        {"code": STARTED},
    ],
    ids=str,
)
async def test_a_check_that_shows_no_newer_certificate_ends_no_warning(known, changes):
    assert await notified_days(known, 20) == [20]
    assert await over(known, 19, **changes) == []


async def test_a_warning_about_the_next_certificate_is_another_one(known):
    assert await notified_days(known, 5) == [5]
    assert await over(known, 4, expiring=RENEWED) == [("certificate", "ab12", 5)]
    assert await notified_days(known, -55, ends=RENEWED) == [5]
    assert await over(known, -56) == [("certificate", "cd34", -55)]


async def test_a_warning_ends_with_its_monitor(known):
    assert await notified_days(known, 5) == [5]
    change = await monitors.delete(known[min(known)].monitor_id)
    (ended,) = [one for one in change.events if one.event is EventKind.MONITOR_CLEARED]
    assert (ended.data["what"], ended.data["fingerprint"]) == ("certificate", "ab12")
    assert ended.data["ended_by"] == "monitor.deleted"


async def test_a_paused_monitor_keeps_its_warning(known):
    assert await notified_days(known, 5) == [5]
    change = await monitors.set_active(known[min(known)].monitor_id, active=False)
    assert EventKind.MONITOR_CLEARED not in {one.event for one in change.events}


async def test_a_warning_outlives_the_reset_of_its_monitor_s_history(known):
    assert await notified_days(known, 5) == [5]
    change = await monitors.reset_history(known[min(known)].monitor_id)
    (fresh,) = await series.list_snapshots([change.schedules[0].series])
    assert await over({fresh.series: fresh}, 4) == [("certificate", "ab12", 5)]


async def test_a_late_check_ends_no_warning(known):
    assert await notified_days(known, 5) == [5]
    late = make.outcome(series=min(known), at_ms=ENDS_MS - 6 * DAY_MS)
    assert (await results.store_results(make.results(late), known, ENDS_MS - 5 * DAY_MS)).events == []
