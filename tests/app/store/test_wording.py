"""Decisions read codes: other sentences change nothing."""

import pytest

from app import db
from app.domain.alerting import reasons
from app.domain.alerting.reasons import Reason
from app.security.secrets import sealing
from app.store.alerting import delivery_claims, delivery_queries, delivery_resend
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.incidents import timeline
from app.store.monitoring import tags
from schema.deliveries import ReasonCode
from schema.tags import TagDraft
from tests.app.store.outages import NOW, STEP, channel, fails, monitor, passes

CHECKED_MS = 76_000  # an interval of 60 s and a timeout of 16 s


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


@pytest.fixture(autouse=True, params=["our sentences", "other sentences"])
def sentences(request, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "other sentences":
        monkeypatch.setattr(reasons, "sentence", lambda reason: f"x{reason.name}")


async def swept(now_ms: int) -> None:
    """Claim all that is due, as a worker does, and send it."""
    due = await db.rows("SELECT id FROM deliveries WHERE state = 'pending' AND next_attempt_ms <= ?1", now_ms)
    claimed = await delivery_claims.claim([row["id"] for row in due], now_ms)
    for one in claimed:
        await db.rows("UPDATE deliveries SET state = 'sent', sent_ms = ?2 WHERE id = ?1", one.id, now_ms)


async def deliveries_of(monitor_id: str) -> list[tuple[str, str, str]]:
    """(event, state, code), oldest event first."""
    found = await db.rows(
        "SELECT e.kind, d.state, d.reason_code FROM deliveries d JOIN events e ON e.id = d.event_id"
        " WHERE d.monitor_id = ?1 AND e.kind LIKE 'monitor.%' ORDER BY d.at_ms",
        monitor_id,
    )
    return [(row["kind"], row["state"], row["reason_code"]) for row in found]


async def test_a_child_is_released_when_its_parent_recovers():
    await channel()
    router = await monitor("Router")
    web = await monitor("web", router)
    await fails(router)
    await fails(web)
    await swept(NOW)
    assert await deliveries_of(web) == [("monitor.down", "suppressed", "parent_down")]
    await passes(router, NOW + STEP)
    assert await deliveries_of(web) == [("monitor.down", "pending", "")]
    await swept(NOW + STEP + CHECKED_MS)
    assert await deliveries_of(web) == [("monitor.down", "sent", "")]


async def test_the_recovery_of_an_outage_without_an_alert_is_suppressed():
    await channel()
    router = await monitor("Router")
    web = await monitor("web", router)
    await fails(router)
    await fails(web)
    await swept(NOW)
    await passes(web, NOW + STEP)
    await swept(NOW + STEP)
    assert await deliveries_of(web) == [
        ("monitor.down", "suppressed", "parent_down"),
        ("monitor.up", "suppressed", "not_alerted"),
    ]


async def test_the_recovery_that_replaces_its_outage_is_sent():
    await channel()
    web = await monitor()
    await fails(web)
    await passes(web, NOW + STEP)
    await swept(NOW + STEP)
    assert await deliveries_of(web) == [
        ("monitor.down", "suppressed", "collapsed_into_recovery"),
        ("monitor.up", "sent", ""),
    ]


async def test_the_recovery_is_sent_after_its_outage_was_replaced():
    await channel()
    web = await monitor()
    await fails(web)
    await db.rows("UPDATE deliveries SET state = 'suppressed', reason_code = 'collapsed_into_recovery'")
    await passes(web, NOW + STEP)
    await swept(NOW + STEP)
    assert (await deliveries_of(web))[-1] == ("monitor.up", "sent", "")


async def test_a_parent_that_is_not_visible_is_not_named():
    await channel()
    tag = (await tags.create(TagDraft(name="shop"))).id
    router = await monitor("Router")
    web = await monitor("web", router, tag_ids=[tag])
    await fails(router)
    await fails(web)
    await swept(NOW)
    sentence = reasons.sentence(Reason(ReasonCode.PARENT_DOWN, "Router"))
    unnamed = reasons.sentence(Reason(ReasonCode.PARENT_DOWN))
    query = DeliveryQuery(monitor_id=web, state="suppressed")
    for visible_to, text in ((None, sentence), (frozenset([tag]), unnamed)):
        (found,) = await delivery_queries.list_page(query)
        delivery = (await delivery_queries.get(found.id, visible_to)).delivery
        assert (delivery.reason_code, delivery.error) == ("parent_down", text)
        entries = await timeline.list_entries(found.incident_id or "", visible_to)
        assert [one.text for one in entries if one.channel_id] == [text]


async def test_a_resent_delivery_has_no_reason_any_more():
    await channel()
    router = await monitor("Router")
    web = await monitor("web", router)
    await fails(router)
    await fails(web)
    await swept(NOW)
    (found,) = await delivery_queries.list_page(DeliveryQuery(monitor_id=web))
    resent = await delivery_resend.resend(found.id)
    assert (resent.state, resent.reason_code, resent.error) == ("pending", None, "")
