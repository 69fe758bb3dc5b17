"""A claim takes what may go: nothing needless, nothing held by a gate, nothing too old, one message for many."""

import asyncio

import pytest

from app import db
from app.domain.alerting.reasons import Reason
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_queue
from app.store.alerting.delivery_results import AttemptResult
from app.store.alerting.dispatch_plan import LEASE_MS
from app.store.alerting.suppression import Candidate, Decision
from schema.channels import ChannelPatch
from schema.channels.ntfy import Ntfy
from schema.deliveries import ReasonCode
from tests.app.store.owing import NOW, STEP, Owing, claimed, coded, owing, settled, state, states, taken
from tests.conftest import ON_POSTGRES

PHONE = Ntfy(topic="alerts")
WINDOW = 30_000


@pytest.fixture(autouse=True)
def sealed(store) -> None:
    sealing.prepare(store)


def gates(**told: Decision):
    """Gates that say this of an event kind's last word, and let the others through."""

    async def of(candidates: list[Candidate], _: int) -> dict[str, Decision]:
        words = {one.id: one.kind.rpartition(".")[2] for one in candidates}
        return {id_: told[word] for id_, word in words.items() if word in told}

    return of


async def test_a_down_and_its_up_that_wait_are_one_message():
    owed = await owing()
    down, up = await owed.down(), await owed.up()
    assert await claimed([down, up]) == [up]
    assert await coded(down) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


@pytest.mark.parametrize("asked", [0, 1])
async def test_whichever_of_the_two_is_asked_for(asked):
    owed = await owing()
    both = [await owed.down(), await owed.up()]
    assert await claimed([both[asked]]) == [both[1]]


async def test_a_down_that_failed_is_told_with_its_recovery():
    owed = await owing()
    down = await owed.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "pending", "answered 500", NOW + 600_000))
    up = await owed.up()
    assert await claimed([up]) == [up]
    assert await coded(down) == ("suppressed", 1, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_a_down_whose_answer_a_killed_worker_took_with_it_is_told_with_its_recovery_after_the_lease():
    owed = await owing()
    down = await owed.down()
    await claimed([down])
    up = await owed.up()
    assert await claimed([up]) == []
    assert await claimed([up], NOW + LEASE_MS) == [up]
    assert (await state(down))[0] == "suppressed"


async def test_of_downs_that_wait_only_the_newest_goes():
    owed = await owing(reminders=1)
    first = await owed.down()
    second = await owed.down(at_ms=NOW)
    assert await claimed([first]) == [second]
    assert await coded(first) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_REMINDER)


async def test_two_workers_that_claim_at_once_send_one_message():
    owed = await owing(5)
    ids = [await owed.down(number) for number in range(5)]
    parts = await asyncio.gather(*(claimed(ids) for _ in range(4)))
    assert sorted(id_ for part in parts for id_ in part) == sorted(ids)


async def test_a_gate_that_says_wait_costs_no_attempt():
    owed = await owing()
    down = await owed.down()
    quiet = gates(down=Decision(action="wait", until_ms=NOW + STEP, reason=Reason(ReasonCode.QUIET_HOURS)))
    assert await claimed([down], decide_suppression=quiet) == []
    assert await coded(down) == ("pending", 0, ReasonCode.QUIET_HOURS)
    assert await delivery_queue.due_deliveries(NOW + STEP - 1) == {}
    assert list((await delivery_queue.due_deliveries(NOW + STEP)).values()) == [[down]]
    assert await claimed([down], NOW + STEP) == [down]


async def test_a_gate_that_says_no_leaves_its_reason():
    owed = await owing()
    down = await owed.down()
    closed = gates(down=Decision(action="suppress", reason=Reason(ReasonCode.PARENT_DOWN, "Router")))
    assert await claimed([down], decide_suppression=closed) == []
    assert await coded(down) == ("suppressed", 0, ReasonCode.PARENT_DOWN)
    assert await state(down) == ("suppressed", 0, "parent 'Router' is down")


async def test_a_recovery_that_a_gate_holds_tells_nothing_yet():
    owed = await owing()
    down, up = await owed.down(), await owed.up()
    quiet = gates(up=Decision(action="wait", until_ms=NOW + STEP))
    assert await claimed([down, up], decide_suppression=quiet) == [down]
    assert (await state(up))[0] == "pending"


@pytest.mark.parametrize("together", [False, True])
async def test_a_recovery_that_quiet_hours_hold_is_not_told_after_a_newer_outage(together):
    owed = await owing()
    night = gates(up=Decision(action="wait", until_ms=NOW + 3 * STEP))
    first = await owed.down()
    assert await claimed([first], decide_suppression=night) == [first]
    await settled(AttemptResult(first, 1, "sent"))
    up = await owed.up()
    if not together:
        assert await claimed([up], decide_suppression=night) == []
    second = await owed.down(at_ms=NOW + STEP)
    assert await claimed([up, second], NOW + STEP, decide_suppression=night) == [second]
    assert await coded(up) == ("suppressed", 0, ReasonCode.SUPERSEDED)


async def test_what_quiet_hours_held_is_one_message_when_they_end():
    owed = await owing()
    down, up = await owed.down(), await owed.up()
    night = Decision(action="wait", until_ms=NOW + STEP)
    assert await claimed([down, up], decide_suppression=gates(down=night, up=night)) == []
    assert await claimed([down], NOW + STEP) == [up]
    assert await coded(down) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_what_is_too_old_is_dead_with_the_reason():
    owed = await owing()
    down = await owed.down()
    assert await claimed([down], NOW + 3_600_000, max_age_ms=3_600_000) == []
    assert await state(down) == ("dead", 0, "gave up after 1 h")
    assert await coded(down) == ("dead", 0, ReasonCode.EXPIRED)


async def test_the_time_a_gate_held_it_makes_nothing_older():
    owed = await owing()
    down = await owed.down()
    weekend = gates(down=Decision(action="wait", until_ms=NOW + 48 * 3_600_000))
    await claimed([down], decide_suppression=weekend)
    assert await claimed([down], NOW + 48 * 3_600_000) == [down]


async def test_a_channel_that_was_switched_off_is_told_nothing_more():
    owed = await owing()
    down = await owed.down()
    await channels.update(owed.channel_id, ChannelPatch(active=False))
    assert await claimed([down]) == []
    assert await coded(down) == ("suppressed", 0, ReasonCode.CHANNEL_INACTIVE)


async def storm(count: int) -> tuple[Owing, list[str]]:
    owed = await owing(count, PHONE)
    return owed, [await owed.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(count)]


async def sent(ids: list[str], now_ms: int = NOW) -> None:
    await settled(*(AttemptResult(id_, 1, "sent") for id_ in ids), now_ms=now_ms)


async def test_people_are_told_three_one_by_one_and_the_rest_together():
    owed, ids = await storm(7)
    assert await claimed(ids) == ids[:3]
    await sent(ids[:3])
    assert await delivery_queue.due_deliveries(NOW + WINDOW - 1) == {}
    assert sorted((await delivery_queue.due_deliveries(NOW + WINDOW))[owed.channel_id]) == sorted(ids[3:])
    (message,) = await taken(ids[3:4], NOW + WINDOW)
    assert message.id == ids[6]
    assert [one.id for one in message.merged] == ids[3:6]
    await sent(ids[3:], NOW + WINDOW)
    assert await states() == {"sent": 7}
    carried = await db.rows("SELECT id FROM deliveries WHERE digest_id = ?1 ORDER BY at_ms", ids[6])
    assert [row["id"] for row in carried] == ids[3:6]


async def test_what_is_being_sent_by_another_worker_counts():
    _, ids = await storm(4)
    assert await claimed(ids[:3]) == ids[:3]
    assert await claimed(ids[3:]) == []
    assert await coded(ids[3]) == ("pending", 0, ReasonCode.DIGEST)


async def test_a_recovery_that_comes_while_its_outage_waits_for_others_is_told_instead():
    owed, ids = await storm(5)
    await claimed(ids)
    await sent(ids[:3])
    up = await owed.up(4, at_ms=NOW + 1_000)
    assert await claimed([up], NOW + 1_000) == []
    (message,) = await taken(ids[3:], NOW + WINDOW)
    assert {message.id, *(one.id for one in message.merged)} == {ids[3], up}
    assert await coded(ids[4]) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_a_group_whose_worker_was_killed_goes_again_as_it_was():
    owed, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    (first,) = await taken(ids[3:], NOW + WINDOW)
    await owed.up(3, at_ms=NOW + 1_000)
    (again,) = await taken([ids[4]], NOW + WINDOW + LEASE_MS)
    assert (again.id, [one.id for one in again.merged]) == (first.id, [one.id for one in first.merged])
    assert again.attempts == 2


@pytest.mark.parametrize(("answered", "count"), [(True, 4), (False, 3)])
async def test_a_group_that_was_refused_for_now_takes_others_along_and_one_that_may_have_arrived_does_not(
    answered, count
):
    owed, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    await taken(ids[3:], NOW + WINDOW)
    later = NOW + 3 * WINDOW
    await settled(
        *(AttemptResult(id_, 1, "pending", "no", later, got_response=answered, in_digest=True) for id_ in ids[3:]),
        now_ms=NOW + WINDOW,
    )
    up = await owed.up(0, at_ms=later)
    messages = await taken([up, ids[3]], later)
    group = next(one for one in messages if one.merged)
    assert len([group, *group.merged]) == count


async def test_a_group_that_may_have_arrived_waits_as_a_whole_when_a_gate_holds_a_part_of_it():
    _, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    await taken(ids[3:], NOW + WINDOW)
    later = NOW + WINDOW + LEASE_MS

    async def hold_one(candidates: list[Candidate], _: int) -> dict[str, Decision]:
        return {one.id: Decision(action="wait", until_ms=later + STEP) for one in candidates if one.id == ids[5]}

    assert await claimed(ids[3:], later, decide_suppression=hold_one) == []
    (again,) = await taken(ids[3:], later + STEP)
    assert (again.id, len(again.merged)) == (ids[5], 2)


@pytest.mark.parametrize("lost", ["answer", "worker"])
async def test_a_message_that_may_have_arrived_goes_again_by_itself_and_not_with_others(lost):
    _, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:2])
    if lost == "answer":
        await settled(AttemptResult(ids[2], 1, "pending", "no answer", NOW + WINDOW, got_response=False))
    later = NOW + WINDOW + LEASE_MS
    single, group = await taken(ids[2:], later)
    assert (single.id, single.merged, group.id, len(group.merged)) == (ids[2], (), ids[5], 2)


async def test_an_end_that_waits_for_others_is_told_before_the_next_outage():
    owed, ids = await storm(4)
    await claimed(ids[:3])
    await sent(ids[:3])
    up = await owed.up(0, at_ms=NOW + 1_000)
    assert await claimed([up], NOW + 1_000) == []
    await db.rows(
        "UPDATE deliveries SET next_attempt_ms = ?2 WHERE id = ?1", up, NOW + 2 * WINDOW
    )  # it failed meanwhile
    down = await owed.down(0, at_ms=NOW + WINDOW + 1)
    assert await claimed([down], NOW + WINDOW + 1) == []
    (message,) = await taken([up], NOW + 2 * WINDOW)
    assert {message.id, *(one.id for one in message.merged)} >= {up, down}


async def test_a_claim_says_whether_the_message_may_have_arrived():
    owed = await owing()
    down = await owed.down()
    assert [one.maybe_sent for one in await taken([down])] == [False]
    assert [one.maybe_sent for one in await taken([down], NOW + LEASE_MS)] == [True]


async def test_programs_are_told_one_by_one():
    owed = await owing(6)
    ids = [await owed.down(number, at_ms=NOW + number) for number in range(6)]
    assert await claimed(ids, NOW + 10) == ids


async def test_a_delivery_that_somebody_asked_for_is_not_swallowed_and_holds_nobody():
    owed = await owing()
    down = await owed.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "sent"))
    await db.rows("UPDATE deliveries SET state = 'pending', hold = 'resent' WHERE id = ?1", down)
    up = await owed.up()
    assert await claimed([down, up]) == [down, up]


if ON_POSTGRES:  # SQLite's planner keeps no statistics unless it is asked to

    async def test_what_was_open_when_the_planner_last_looked_says_nothing_of_what_is_open_now():
        owed = await owing()
        await settled(AttemptResult(await owed.down(), 1, "sent"))
        await db.rows("ANALYZE deliveries")
        known = {row["attname"] for row in await db.rows("SELECT attname FROM pg_stats WHERE tablename = 'deliveries'")}
        assert "channel_id" in known
        assert "state" not in known
