"""Stored dependencies, and what an outage of one monitor changes for others."""

import pytest

from app import db
from app.errors import Invalid
from app.security.secrets import sealing
from app.store.monitoring import dependencies, tags
from app.store.transactions import monitors
from schema.monitors import MonitorPatch
from schema.tags import TagDraft
from tests.app.store.outages import NOW, STEP, channel, fails, monitor, passes, settled

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
SECOND = 1_000


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def hang(monitor_id: str, *parents: str) -> list[str]:
    patch = MonitorPatch(parent_ids=list(parents))
    return (await monitors.update(monitor_id, patch)).monitor.parent_ids


async def field_errors(act) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        await act
    return [(one.field, one.message) for one in error.value.fields]


async def states(monitor_id: str) -> list[tuple[str, int]]:
    rows = await db.rows(
        "SELECT state, next_attempt_ms FROM deliveries WHERE monitor_id = ?1 ORDER BY at_ms", monitor_id
    )
    return [(row["state"], row["next_attempt_ms"]) for row in rows]


async def times_of_looks(looks) -> dict[str, int]:
    found = await db.rows("SELECT m.name, s.no FROM monitors m JOIN series s ON s.monitor_id = m.id")
    names = {row["no"]: row["name"] for row in found}
    return {names[look.schedule.series]: look.at_ms for look in looks}


async def test_parents_stay_until_they_are_replaced():
    router, mail = await monitor("Router"), await monitor("mail")
    one = await monitor("web", router)
    assert (await monitors.get(one)).parent_ids == [router]
    await monitors.update(one, MonitorPatch(name="shop"))
    assert (await monitors.get(one)).parent_ids == [router]
    assert await hang(one, mail) == [mail]
    assert await hang(one) == []


async def test_unknown_parents_are_rejected_and_nothing_is_stored():
    router = await monitor("Router")
    assert await field_errors(monitor("web", router, UNKNOWN_ID)) == [("parent_ids.1", dependencies.UNKNOWN_PARENT)]
    assert len((await monitors.list_page(monitors.MonitorQuery()))[0]) == 1


async def test_a_circle_is_refused_with_the_way_round_it():
    router = await monitor("Router")
    switch = await monitor("Switch", router)
    one = await monitor("web", switch)
    why = "would make the monitor depend on itself: "
    assert await field_errors(hang(router, one)) == [("parent_ids", why + "Router → web → Switch → Router")]
    assert await field_errors(hang(one, one)) == [("parent_ids", why + "web → web")]
    assert (await monitors.get(router)).parent_ids == []


async def test_the_same_parent_twice_is_the_same_as_once():
    router = await monitor("Router")
    assert await hang(await monitor(), router, router) == [router]


async def test_a_deleted_monitor_is_no_parent():
    router = await monitor("Router")
    one = await monitor("web", router)
    await monitors.delete(router)
    assert (await monitors.get(one)).parent_ids == []


async def test_only_visible_parents_are_listed():
    shop = (await tags.create(TagDraft(name="shop"))).id
    visible, hidden = await monitor("Router", tag_ids=[shop]), await monitor("Vault")
    one = await monitor("web", visible, hidden, tag_ids=[shop])
    assert (await monitors.get(one, frozenset([shop]))).parent_ids == [visible]
    assert sorted((await monitors.get(one)).parent_ids) == sorted([visible, hidden])


async def test_the_common_parent_of_failing_monitors_is_named():
    router = await monitor("Router")
    ids = [await monitor("web", router), await monitor("mail", await monitor("Switch", router))]
    assert await dependencies.common_parent(ids) == "Router"
    assert await dependencies.common_parent([*ids, await monitor("alone")]) is None


async def test_parents_that_were_not_checked_since_are_checked_at_once():
    router, new, paused = await monitor("Router"), await monitor("New"), await monitor("Paused", active=False)
    await passes(router, NOW - 30 * SECOND)
    stored = await fails(await monitor("web", router, new, paused))
    assert await times_of_looks(stored.rechecks) == {"Router": NOW, "New": NOW}


async def test_a_parent_checked_just_before_the_outage_is_checked_again_a_second_later():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await passes(router, NOW - SECOND // 2)
    stored = await fails(one)
    assert await times_of_looks(stored.rechecks) == {"Router": NOW + SECOND}
    assert await settled() == ["monitor.down: parent_check"]
    await fails(router, NOW + SECOND)
    assert await settled(NOW + SECOND) == ["monitor.down: parent_down", "monitor.down: send"]


async def test_a_parent_that_passes_a_check_since_lets_the_alert_go():
    await channel()
    router = await monitor("Router")
    await passes(router, NOW - SECOND)
    stored = await fails(await monitor("web", router))
    assert await times_of_looks(stored.rechecks) == {"Router": NOW}
    await passes(router, NOW)
    assert await settled() == ["monitor.down: send"]


async def test_a_parent_that_is_down_needs_no_check_and_a_reminder_requests_none():
    router = await monitor("Router")
    one = await monitor("web", router, resend_interval=1)
    await passes(router, NOW - STEP)
    assert (await fails(one)).rechecks
    assert (await fails(one, NOW + STEP)).rechecks == []
    await fails(router, NOW + 2 * STEP)
    await passes(one, NOW + 3 * STEP)
    assert (await fails(one, NOW + 4 * STEP)).rechecks == []


async def test_only_monitors_still_down_are_released_when_their_parent_recovers():
    await channel()
    router = await monitor("Router")
    down, back = await monitor("down", router), await monitor("back", router)
    deep = await monitor("deep", down)
    for id_ in (router, down, back, deep):
        await fails(id_)
    await settled()
    await passes(back, NOW + STEP)
    await settled(NOW + STEP)
    await passes(router, NOW + 2 * STEP)
    due = NOW + 2 * STEP + 76 * SECOND  # an interval of 60 s and a timeout of 16 s
    assert [one for one, _ in await states(back)] == ["suppressed", "suppressed"]
    assert await states(down) == await states(deep) == [("pending", due)]
    expected = {"monitor.up: send", "monitor.down: send", "monitor.down: parent_down"}
    assert set(await settled(due)) == expected


async def test_a_delivery_released_by_one_parent_is_suppressed_by_the_other():
    await channel()
    one_way, other_way = await monitor("One"), await monitor("Other")
    web = await monitor("web", one_way, other_way)
    for id_ in (one_way, other_way, web):
        await fails(id_)
    await settled()
    await passes(one_way, NOW + STEP)
    assert await settled(NOW + 5 * STEP) == ["monitor.down: parent_down", "monitor.up: send"]
    assert [state for state, _ in await states(web)] == ["suppressed"]


async def test_a_rare_child_is_checked_soon_after_its_parent_is_back():
    await channel()
    router = await monitor("Router")
    nightly, often = await monitor("nightly", router, interval=86_400), await monitor("often", router)
    for id_ in (router, nightly, often):
        await fails(id_)
    await settled()
    stored = await passes(router, NOW + STEP)
    assert await times_of_looks(stored.rechecks) == {"nightly": NOW + STEP}
    assert await states(nightly) == [("pending", NOW + STEP + 300 * SECOND)]


@pytest.mark.parametrize("released", ["paused", "deleted", "untied"])
async def test_a_suppressed_delivery_is_released_when_its_parents_are_removed(released):
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await fails(one)
    await settled()
    if released == "paused":
        await monitors.set_active(router, active=False)
    elif released == "deleted":
        await monitors.delete(router)
    else:
        await hang(one)
    assert [state for state, _ in await states(one)] == ["pending"]


async def test_deliveries_suppressed_for_other_reasons_are_not_released():
    await channel()
    router = await monitor("Router")
    one = await monitor("web", router)
    await fails(router)
    await fails(one)
    await db.rows("UPDATE deliveries SET state = 'suppressed', error = 'an admin said so'")
    await passes(router, NOW + STEP)
    assert [state for state, _ in await states(one)] == ["suppressed"]


async def test_a_check_that_changes_nothing_costs_no_statement_for_what_it_hangs_on(statements: list[str]):
    await channel()
    alone = await monitor("alone")
    child = await monitor("web", alone)
    statements.clear()
    await passes(alone)
    few = len(statements)
    await passes(child)
    assert len(statements) == 2 * few
    assert not any("dependencies" in sql or "channels" in sql for sql in statements)
