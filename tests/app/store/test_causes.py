"""One cause, one message: children of a failed parent and members of groups, for each channel separately."""

import asyncio
from contextvars import Context

import pytest

from app import db
from app.domain.alerting.delivery_rules import SEND
from app.domain.alerting.reasons import Reason
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.transactions import monitors
from schema.channels.rules import QuietHours
from schema.deliveries import ReasonCode
from schema.monitors import MonitorPatch
from schema.targets import Group
from schema.targets.composed import GroupAlerts
from tests import make
from tests.app.store.outages import NOW, STEP, channel, due_decisions, escalated, fails, monitor, passes, settled
from tests.conftest import ON_POSTGRES

SECOND = 1_000
SENT_DOWN, SENT_UP = "monitor.down: send", "monitor.up: send"
PARENT_DOWN = "monitor.down: parent_down"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def test_behind_a_parent_that_is_down_only_the_parent_is_alerted():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    assert await settled() == [SENT_DOWN]
    await fails(one, NOW + SECOND)
    assert await settled(NOW + SECOND) == [PARENT_DOWN]
    await passes(one, NOW + STEP)
    assert await settled(NOW + STEP) == ["monitor.up: not_alerted"]


async def test_the_nearest_that_is_down_is_named():
    await channel()
    uplink = await monitor("Uplink")
    router = await monitor("Router", uplink)
    switch = await monitor("Switch", router)
    one = await monitor("web", switch)
    for id_ in (uplink, router):
        await fails(id_)
    await fails(one)
    assert (await due_decisions())[one, "monitor.down"].reason == Reason(ReasonCode.PARENT_DOWN, "Router")
    assert (await due_decisions())[router, "monitor.down"].reason == Reason(ReasonCode.PARENT_DOWN, "Uplink")


async def test_a_paused_parent_holds_nothing_back():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await monitors.update(router, MonitorPatch(active=False))
    await fails(one)
    assert (await due_decisions())[one, "monitor.down"] == SEND


async def test_an_outage_waits_until_its_parent_was_checked():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await passes(router, NOW - 30 * SECOND)
    await fails(one)
    assert (await due_decisions())[one, "monitor.down"].action == "wait"
    await passes(router, NOW + SECOND)
    assert (await due_decisions(NOW + SECOND))[one, "monitor.down"] == SEND


if ON_POSTGRES:  # SQLite has one writer: no check is stored meanwhile

    async def test_a_check_of_a_parent_that_is_just_being_stored_is_awaited_and_not_waited_for():
        await channel()
        router = await monitor("Router")
        one = await monitor("web", router)
        await passes(router)
        await fails(one)
        async with db.transaction():
            await db.rows("SELECT no FROM series WHERE monitor_id = ?1 FOR UPDATE", router)
            found = await asyncio.create_task(due_decisions(), context=Context())  # another one's transaction
        assert found[one, "monitor.down"].action == "wait"
        assert (await due_decisions())[one, "monitor.down"] == SEND


@pytest.mark.parametrize(
    ("changes", "held_s"), [({"interval": 300}, 30), ({"interval": 20, "timeout": 5.0}, 25), ({"interval": None}, 0)]
)
async def test_an_outage_waits_one_parent_interval_and_timeout_but_at_most_30_s(changes, held_s):
    await channel()
    one = await monitor("web", await monitor("Router", **changes))
    await fails(one)
    if held_s:
        assert (await due_decisions(NOW + held_s * SECOND - 1))[one, "monitor.down"].action == "wait"
    assert (await due_decisions(NOW + held_s * SECOND))[one, "monitor.down"] == SEND


async def test_an_outage_waits_while_its_failing_parent_has_retries_left():
    await channel()
    router = await monitor("Router", max_retries=1)
    one = await monitor("web", router)
    await fails(one)
    await fails(router, NOW + SECOND)
    assert (await due_decisions(NOW + SECOND))[one, "monitor.down"].action == "wait"
    await fails(router, NOW + 2 * SECOND)
    assert await settled(NOW + 2 * SECOND) == [PARENT_DOWN, SENT_DOWN]


@pytest.mark.parametrize(
    ("alerts", "group_reason", "member_reason"),
    [
        (GroupAlerts.BOTH, None, None),
        (GroupAlerts.GROUP, None, Reason(ReasonCode.GROUP_ALERTS, "Shop")),
        (GroupAlerts.MEMBERS, Reason(ReasonCode.MEMBERS_ALERT), None),
    ],
)
async def test_a_group_decides_who_alerts(alerts, group_reason, member_reason):
    await channel()
    member = await monitor("web")
    group = await monitor("Shop", config=Group(members=[member], alerts=alerts))
    await fails(member)
    await fails(group)
    found = await due_decisions()
    assert found[group, "monitor.down"].reason == group_reason
    assert found[member, "monitor.down"].reason == member_reason


async def test_the_end_of_a_released_outage_is_held_while_that_waits():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await fails(one)
    await settled()
    await passes(router, NOW + STEP)
    await passes(one, NOW + STEP + SECOND)
    outcomes = await settled(NOW + STEP + SECOND)
    assert sorted(outcomes) == sorted([SENT_UP, "monitor.up: not_alerted"])


async def outcomes_after(reopened_ms: int) -> list[str]:
    return await settled(reopened_ms + 76 * SECOND)  # an interval of 60 s and a timeout of 16 s


async def test_a_child_that_stays_down_is_alerted_after_its_parent_is_back():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await fails(one)
    await settled()
    await passes(router, NOW + STEP)
    assert await settled(NOW + STEP) == [SENT_UP]
    await fails(one, NOW + 2 * STEP)
    assert await outcomes_after(NOW + STEP) == [SENT_DOWN]
    await passes(one, NOW + 9 * STEP)
    assert await settled(NOW + 9 * STEP) == [SENT_UP]


async def test_a_child_that_is_back_with_its_parent_stays_untold():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await fails(one)
    await settled()
    await passes(router, NOW + STEP)
    await passes(one, NOW + STEP + SECOND)
    outcomes = await outcomes_after(NOW + STEP)
    assert sorted(outcomes) == sorted(["monitor.down: recovered_with_parent", "monitor.up: not_alerted", SENT_UP])


async def test_a_channel_not_subscribed_to_the_parent_is_alerted_for_the_child():
    router, near = await monitor("Router"), (await channels.create(make.channel())).id
    await monitor("web", router, notification_channel_ids=[near])
    await channel(name="all")
    ids = {row["name"]: row["id"] for row in await db.rows("SELECT id, name FROM monitors")}
    await fails(router)
    await fails(ids["web"], NOW + SECOND)
    assert sorted(await settled(NOW + SECOND)) == sorted([SENT_DOWN, PARENT_DOWN, SENT_DOWN])
    rows = await db.rows("SELECT monitor_id FROM deliveries WHERE channel_id = ?1 AND state = 'sent'", near)
    assert [row["monitor_id"] for row in rows] == [ids["web"]]


async def test_an_earlier_alert_of_the_parent_suppresses_no_later_one():
    near = (await channels.create(make.channel())).id
    router = await monitor("Router", notification_channel_ids=[near])
    await fails(router)
    await passes(router, NOW + STEP)
    await settled(NOW + STEP)
    await db.rows("DELETE FROM monitor_channels")
    one = await monitor("web", router, notification_channel_ids=[near])
    await fails(router, NOW + 2 * STEP)
    await fails(one, NOW + 2 * STEP + SECOND)
    assert await settled(NOW + 3 * STEP) == [SENT_DOWN]


async def test_the_nearest_parent_that_the_channel_subscribes_to_is_named():
    near = (await channels.create(make.channel())).id
    router = await monitor("Router", notification_channel_ids=[near])
    switch = await monitor("Switch", router)
    one = await monitor("web", switch, notification_channel_ids=[near])
    await fails(router)
    await fails(switch, NOW + SECOND)
    await fails(one, NOW + 2 * SECOND)
    assert await settled(NOW + STEP) == [SENT_DOWN, PARENT_DOWN]


async def test_an_escalation_that_was_held_back_is_called_for_when_the_outage_lasts():
    router, ops = await monitor("Router"), await channel()
    await fails(router)
    assert await settled() == [SENT_DOWN]
    await db.rows("DELETE FROM incidents")
    one = await monitor("web", router)
    await fails(one, NOW + SECOND)
    await escalated(one, ops, NOW + STEP)
    assert await settled(NOW + STEP) == [PARENT_DOWN, "incident.escalated: parent_down"]
    await passes(router, NOW + 2 * STEP)
    assert await outcomes_after(NOW + 2 * STEP) == [SENT_DOWN, "incident.escalated: send", SENT_UP]


async def test_a_released_outage_that_lasted_is_sent_though_quiet_hours_held_it():
    router = await monitor("Router")
    one = await monitor("web", router)
    await channel(quiet_hours=QuietHours(start="00:00", end="23:59"))
    await fails(router)
    await fails(one)
    await settled()
    await passes(router, NOW + STEP)
    await passes(one, NOW + 60 * STEP)
    found = await due_decisions(NOW + 60 * STEP)
    assert found[one, "monitor.down"].action == found[one, "monitor.up"].action == "wait"
