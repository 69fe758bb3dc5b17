"""The store finds the reasons to suppress deliveries, for a batch at a time."""

from time import time

import pytest

from app import db
from app.domain.alerting.delivery_rules import SEND
from app.security.secrets import sealing
from app.store.alerting import channels, claim_facts, delivery_claims, outbox
from app.store.transactions import monitors
from schema.channels.rules import QuietHours
from schema.events import EventKind
from tests.app.store.outages import NOW, STEP, channel, due_decisions, escalated, fails, monitor, passes, settled

SECOND = 1_000
SENT_DOWN, SENT_UP = "monitor.down: send", "monitor.up: send"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def webhook() -> str:
    id_ = await channel(events=["*"])
    await db.rows("UPDATE channels SET kind = 'webhook' WHERE id = ?1", id_)
    return id_


async def test_no_deliveries_have_no_channels():
    assert await delivery_claims.claim([], NOW) == []


async def test_a_delivery_whose_channel_is_gone_is_not_claimed():
    ops = await channel()
    await fails(await monitor())
    ids = [row["id"] for row in await db.rows("SELECT id FROM deliveries")]
    await channels.delete(ops)
    assert await delivery_claims.claim(ids, NOW) == []


async def test_an_outage_and_its_end_go_when_nothing_speaks_against_it():
    await channel()
    one = await monitor()
    await fails(one)
    await passes(one, NOW + STEP)
    assert await settled(NOW + STEP) == [SENT_DOWN, SENT_UP]


async def test_quiet_hours_hold_for_what_has_no_monitor_too():
    await channel(quiet_hours=QuietHours(start="00:00", end="23:59"))
    async with db.transaction():
        await outbox.record_event(EventKind.SCHEDULE_LAG, {"what": "schedule_lag"}, NOW)
    assert (await due_decisions())["", "system.schedule_lag"].action == "wait"


@pytest.mark.parametrize(
    ("recovery_ms", "outcomes"),
    [
        (59 * SECOND, ["monitor.down: recovered_early", "monitor.up: not_alerted"]),
        (61 * SECOND, [SENT_DOWN, SENT_UP]),
    ],
)
async def test_an_outage_shorter_than_the_delay_is_suppressed_with_its_end(recovery_ms, outcomes):
    await channel(min_outage=60)
    one = await monitor()
    await fails(one)
    await passes(one, NOW + recovery_ms)
    assert await settled(NOW + 70 * SECOND) == outcomes


async def test_the_next_outage_is_not_the_last_one():
    await channel(min_outage=60)
    one = await monitor()
    await fails(one)
    await passes(one, NOW + SECOND)
    await settled(NOW + STEP)
    await fails(one, NOW + 2 * STEP)
    assert await settled(NOW + 3 * STEP) == [SENT_DOWN]
    await passes(one, NOW + 4 * STEP)
    assert await settled(NOW + 4 * STEP) == [SENT_UP]


async def test_a_webhook_gets_every_event():
    hook = await webhook()
    router = await monitor("Router")
    await fails(router)
    await fails(await monitor("web", router), NOW + SECOND)
    outcomes = await settled(NOW + SECOND)
    assert (set(outcomes), hook) == ({SENT_DOWN, "incident.opened: send"}, hook)


async def test_a_delivery_already_attempted_is_not_suppressed():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(one)
    await db.rows("UPDATE deliveries SET attempts = 1")
    await fails(router)
    assert (await due_decisions())[one, "monitor.down"] == SEND


async def test_reminders_of_a_night_are_one_message_in_the_morning():
    await channel()
    one = await monitor("web", resend_interval=1)
    await fails(one)
    await fails(one, NOW + STEP)
    await db.rows("UPDATE deliveries SET state = 'sent', sent_ms = ?2 WHERE at_ms = ?1", NOW, NOW + 2 * STEP)
    assert await settled(NOW + 2 * STEP) == ["monitor.down: alerted_meanwhile"]
    await fails(one, NOW + 3 * STEP)
    assert await settled(NOW + 3 * STEP) == [SENT_DOWN]


async def test_the_end_of_an_outage_that_a_digest_has_is_sent():
    await channel()
    one = await monitor()
    await fails(one)
    await db.rows("UPDATE deliveries SET state = 'suppressed', reason_code = 'collapsed_into_recovery'")
    await passes(one, NOW + STEP)
    assert await settled(NOW + STEP) == [SENT_UP]


async def test_the_end_of_a_short_outage_is_held_while_its_beginning_still_waits():
    await channel(min_outage=60)
    one = await monitor()
    await fails(one)
    assert await settled() == ["monitor.down: min_outage"]
    await passes(one, NOW + 30 * SECOND)
    assert await settled(NOW + 30 * SECOND) == ["monitor.up: not_alerted"]
    assert await settled(NOW + STEP) == ["monitor.down: recovered_early"]


async def test_an_outage_that_hangs_on_nothing_costs_few_statements(statements: list[str]):
    await channel()
    ids = [await monitor(f"web {number}") for number in range(6)]
    for id_ in ids:
        await fails(id_)
    found = [row["id"] for row in await db.rows("SELECT id FROM deliveries")]
    statements.clear()
    await claim_facts.lock_channels(found, NOW, delivery_claims.MAX_AGE_MS)
    assert len(statements) == 4


async def test_the_end_of_a_short_outage_is_sent_when_its_escalation_was():
    ops = await channel(min_outage=600)
    one = await monitor()
    await fails(one)
    await escalated(one, ops, NOW + STEP)
    waits = "monitor.down: min_outage"
    assert await settled(NOW + STEP) == [waits, "incident.escalated: send"]
    await passes(one, NOW + 2 * STEP)
    assert await settled(NOW + 2 * STEP) == [SENT_UP]


async def test_an_outage_that_a_pause_ended_within_the_delay_is_suppressed_with_the_pause():
    await channel(min_outage=600)
    one = await monitor()
    now_ms = int(time() * 1000)
    await fails(one, now_ms - STEP)
    await monitors.set_active(one, active=False)
    outcomes = await settled(now_ms + SECOND)
    assert outcomes == ["monitor.down: recovered_early", "incident.resolved: not_alerted"]
