"""A claim takes what may be sent: nothing superseded, suppressed or expired, and one message for many."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app import db
from app.domain.alerting import delivery_rules
from app.domain.alerting.delivery_facts import HELD, Action, Decision, DispatchFacts, OpenDelivery
from app.domain.alerting.reasons import Reason
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims, delivery_queue
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import proxies
from schema.channels import ChannelPatch
from schema.channels.ntfy import Ntfy
from schema.deliveries import ReasonCode
from tests import make
from tests.app.store.channel_setup import (
    NOW,
    STEP,
    ChannelSetup,
    channel_setup,
    claimed,
    claims,
    settled,
    state,
    state_and_code,
    states,
)
from tests.conftest import ON_POSTGRES

PHONE = Ntfy(topic="alerts")
WINDOW = 30_000


@pytest.fixture(autouse=True)
def sealed(store) -> None:
    sealing.prepare(store)


@contextmanager
def fixed_decisions(*, only: Callable[[OpenDelivery], bool] = lambda _: True, **decisions: Decision) -> Iterator[None]:
    """Decisions of the first pass by the last part of the event's kind; on others it decides by itself."""

    def plan(facts: DispatchFacts) -> dict[str, Decision]:
        for one in facts.deliveries:
            if one.is_ready and only(one) and (decision := decisions.get(one.kind.rpartition(".")[2])):
                facts.decisions[one.id] = decision
        return rules(facts)

    rules = delivery_rules.plan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery_rules, "plan", plan)
        yield


def held(until_ms: int, code: ReasonCode = ReasonCode.QUIET_HOURS) -> Decision:
    return Decision(Action.WAIT, until_ms, HELD, reason=Reason(code))


async def test_a_down_and_its_up_that_wait_are_one_message():
    setup = await channel_setup()
    down, up = await setup.down(), await setup.up()
    assert await claimed([down, up]) == [up]
    assert await state_and_code(down) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


@pytest.mark.parametrize("index", [0, 1])
async def test_either_of_the_two_can_be_claimed(index):
    setup = await channel_setup()
    both = [await setup.down(), await setup.up()]
    assert await claimed([both[index]]) == [both[1]]


async def test_a_down_that_failed_is_sent_with_its_recovery():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "pending", "answered 500", NOW + 600_000))
    up = await setup.up()
    assert await claimed([up]) == [up]
    assert await state_and_code(down) == ("suppressed", 1, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_a_down_of_a_killed_worker_is_sent_with_its_recovery_after_the_lease():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down])
    up = await setup.up()
    assert await claimed([up]) == []
    assert await claimed([up], NOW + LEASE_MS) == [up]
    assert (await state(down))[0] == "suppressed"


async def test_a_pending_outage_is_collapsed_into_its_reminder():
    setup = await channel_setup(reminders=1)
    first = await setup.down()
    second = await setup.down(at_ms=NOW)
    assert await claimed([first]) == [second]
    assert await state_and_code(first) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_REMINDER)


async def test_a_claim_has_the_proxy_of_its_channel():
    proxy = await proxies.create(make.proxy(port=10))
    one, direct = await channel_setup(config=make.webhook(proxy_id=proxy.id)), await channel_setup()
    found = await claims([await one.down(), await direct.down()])
    assert {claim.channel.id: claim.channel.proxy and claim.channel.proxy.port for claim in found} == {
        one.channel_id: 10,
        direct.channel_id: None,
    }


async def test_two_workers_that_claim_at_once_send_one_message():
    setup = await channel_setup(5)
    ids = [await setup.down(number) for number in range(5)]
    parts = await asyncio.gather(*(claimed(ids) for _ in range(4)))
    assert sorted(id_ for part in parts for id_ in part) == sorted(ids)


async def test_a_held_delivery_costs_no_attempt():
    setup = await channel_setup()
    down = await setup.down()
    with fixed_decisions(down=held(NOW + STEP)):
        assert await claimed([down]) == []
    assert await state_and_code(down) == ("pending", 0, ReasonCode.QUIET_HOURS)
    assert await delivery_queue.due_deliveries(NOW + STEP - 1) == {}
    assert list((await delivery_queue.due_deliveries(NOW + STEP)).values()) == [[down]]
    assert await claimed([down], NOW + STEP) == [down]


async def test_a_suppressed_delivery_stores_its_reason():
    setup = await channel_setup()
    down = await setup.down()
    with fixed_decisions(down=Decision(Action.SUPPRESS, reason=Reason(ReasonCode.PARENT_DOWN, "Router"))):
        assert await claimed([down]) == []
    assert await state_and_code(down) == ("suppressed", 0, ReasonCode.PARENT_DOWN)
    assert await state(down) == ("suppressed", 0, "parent 'Router' is down")


async def test_a_held_recovery_sends_nothing_yet():
    setup = await channel_setup()
    down, up = await setup.down(), await setup.up()
    with fixed_decisions(up=held(NOW + STEP)):
        assert await claimed([down, up]) == [down]
    assert (await state(up))[0] == "pending"


@pytest.mark.parametrize("together", [False, True])
async def test_a_recovery_held_by_quiet_hours_is_not_sent_after_a_newer_outage(together):
    setup = await channel_setup()
    first = await setup.down()
    assert await claimed([first]) == [first]
    await settled(AttemptResult(first, 1, "sent"))
    up = await setup.up()
    with fixed_decisions(up=held(NOW + 3 * STEP)):
        if not together:
            assert await claimed([up]) == []
        second = await setup.down(at_ms=NOW + STEP)
        assert await claimed([up, second], NOW + STEP) == [second]
    assert await state_and_code(up) == ("suppressed", 0, ReasonCode.SUPERSEDED)


async def test_an_outage_and_recovery_held_by_quiet_hours_become_one_message():
    setup = await channel_setup()
    down, up = await setup.down(), await setup.up()
    with fixed_decisions(down=held(NOW + STEP), up=held(NOW + STEP)):
        assert await claimed([down, up]) == []
    assert await claimed([down], NOW + STEP) == [up]
    assert await state_and_code(down) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_an_expired_delivery_is_dead_with_its_reason():
    setup = await channel_setup()
    down = await setup.down()
    assert await claimed([down], NOW + 3_600_000, max_age_ms=3_600_000) == []
    assert await state(down) == ("dead", 0, "gave up after 1 h")
    assert await state_and_code(down) == ("dead", 0, ReasonCode.EXPIRED)


async def test_the_time_a_delivery_was_held_makes_nothing_older():
    setup = await channel_setup()
    down = await setup.down()
    with fixed_decisions(down=held(NOW + 48 * 3_600_000)):
        await claimed([down])
    assert await claimed([down], NOW + 48 * 3_600_000) == [down]


async def test_a_channel_that_was_switched_off_gets_nothing_more():
    setup = await channel_setup()
    down = await setup.down()
    await channels.update(setup.channel_id, ChannelPatch(active=False))
    assert await claimed([down]) == []
    assert await state_and_code(down) == ("suppressed", 0, ReasonCode.CHANNEL_INACTIVE)


async def storm(count: int) -> tuple[ChannelSetup, list[str]]:
    setup = await channel_setup(count, PHONE)
    return setup, [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(count)]


async def sent(ids: list[str], now_ms: int = NOW) -> None:
    await settled(*(AttemptResult(id_, 1, "sent") for id_ in ids), now_ms=now_ms)


async def test_people_get_three_single_events_and_the_rest_as_a_digest():
    setup, ids = await storm(7)
    assert await claimed(ids) == ids[:3]
    await sent(ids[:3])
    assert await delivery_queue.due_deliveries(NOW + WINDOW - 1) == {}
    assert sorted((await delivery_queue.due_deliveries(NOW + WINDOW))[setup.channel_id]) == sorted(ids[3:])
    (message,) = await claims(ids[3:4], NOW + WINDOW)
    assert message.id == ids[6]
    assert [one.id for one in message.merged] == ids[3:6]
    await sent(ids[3:], NOW + WINDOW)
    assert await states() == {"sent": 7}
    carried = await db.rows("SELECT id FROM deliveries WHERE digest_id = ?1 ORDER BY at_ms", ids[6])
    assert [row["id"] for row in carried] == ids[3:6]


async def test_deliveries_being_sent_count_toward_the_digest_threshold():
    _, ids = await storm(4)
    assert await claimed(ids[:3]) == ids[:3]
    assert await claimed(ids[3:]) == []
    assert await state_and_code(ids[3]) == ("pending", 0, ReasonCode.DIGEST)


async def test_a_recovery_replaces_its_outage_that_waits_for_a_digest():
    setup, ids = await storm(5)
    await claimed(ids)
    await sent(ids[:3])
    up = await setup.up(4, at_ms=NOW + 1_000)
    assert await claimed([up], NOW + 1_000) == []
    (message,) = await claims(ids[3:], NOW + WINDOW)
    assert {message.id, *(one.id for one in message.merged)} == {ids[3], up}
    assert await state_and_code(ids[4]) == ("suppressed", 0, ReasonCode.COLLAPSED_INTO_RECOVERY)


async def test_a_group_whose_worker_was_killed_goes_again_as_it_was():
    setup, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    (first,) = await claims(ids[3:], NOW + WINDOW)
    await setup.up(3, at_ms=NOW + 1_000)
    (again,) = await claims([ids[4]], NOW + WINDOW + LEASE_MS)
    assert (again.id, [one.id for one in again.merged]) == (first.id, [one.id for one in first.merged])
    assert again.attempts == 2


@pytest.mark.parametrize(("answered", "count"), [(True, 4), (False, 3)])
async def test_a_refused_digest_takes_new_members_and_one_that_may_have_arrived_does_not(answered, count):
    setup, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    await claims(ids[3:], NOW + WINDOW)
    later = NOW + 3 * WINDOW
    await settled(
        *(AttemptResult(id_, 1, "pending", "no", later, got_response=answered, in_digest=True) for id_ in ids[3:]),
        now_ms=NOW + WINDOW,
    )
    up = await setup.up(0, at_ms=later)
    messages = await claims([up, ids[3]], later)
    group = next(one for one in messages if one.merged)
    assert len([group, *group.merged]) == count


async def test_a_digest_that_may_have_arrived_is_held_as_a_whole():
    _, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    await claims(ids[3:], NOW + WINDOW)
    later = NOW + WINDOW + LEASE_MS
    with fixed_decisions(down=held(later + STEP), only=lambda one: one.id == ids[5]):
        assert await claimed(ids[3:], later) == []
    (again,) = await claims(ids[3:], later + STEP)
    assert (again.id, len(again.merged)) == (ids[5], 2)


@pytest.mark.parametrize("lost", ["answer", "worker"])
async def test_a_message_that_may_have_arrived_goes_again_by_itself_and_not_with_others(lost):
    _, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:2])
    if lost == "answer":
        await settled(AttemptResult(ids[2], 1, "pending", "no answer", NOW + WINDOW, got_response=False))
    later = NOW + WINDOW + LEASE_MS
    single, group = await claims(ids[2:], later)
    assert (single.id, single.merged, group.id, len(group.merged)) == (ids[2], (), ids[5], 2)


async def test_an_end_that_waits_for_a_digest_is_sent_before_the_next_outage():
    setup, ids = await storm(4)
    await claimed(ids[:3])
    await sent(ids[:3])
    up = await setup.up(0, at_ms=NOW + 1_000)
    assert await claimed([up], NOW + 1_000) == []
    await db.rows(
        "UPDATE deliveries SET next_attempt_ms = ?2 WHERE id = ?1", up, NOW + 2 * WINDOW
    )  # it failed meanwhile
    down = await setup.down(0, at_ms=NOW + WINDOW + 1)
    assert await claimed([down], NOW + WINDOW + 1) == []
    (message,) = await claims([up], NOW + 2 * WINDOW)
    assert {message.id, *(one.id for one in message.merged)} >= {up, down}


async def test_a_claim_knows_whether_the_message_may_have_arrived():
    setup = await channel_setup()
    down = await setup.down()
    assert [one.maybe_sent for one in await claims([down])] == [False]
    assert [one.maybe_sent for one in await claims([down], NOW + LEASE_MS)] == [True]


async def test_programs_get_single_events():
    setup = await channel_setup(6)
    ids = [await setup.down(number, at_ms=NOW + number) for number in range(6)]
    assert await claimed(ids, NOW + 10) == ids


async def test_a_resent_delivery_is_not_collapsed_and_blocks_no_other():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down])
    await settled(AttemptResult(down, 1, "sent"))
    await db.rows("UPDATE deliveries SET state = 'pending', hold = 'resent' WHERE id = ?1", down)
    up = await setup.up()
    assert await claimed([down, up]) == [down, up]


async def test_a_claim_that_is_given_back_counts_no_attempt_and_may_be_claimed_at_once():
    setup = await channel_setup()
    down = await setup.down()
    await delivery_claims.give_back(await claims([down]))
    assert await state(down) == ("pending", 0, "")
    (again,) = await claims([down])
    assert (again.attempts, again.maybe_sent) == (1, False)


async def test_a_claim_that_another_worker_has_is_not_given_back():
    setup = await channel_setup()
    down = await setup.down()
    lost = await claims([down])
    assert await claimed([down], NOW + LEASE_MS) == [down]
    await delivery_claims.give_back(lost)
    assert (await state(down))[:2] == ("sending", 2)


async def test_a_message_that_may_have_arrived_is_still_known_when_it_is_given_back():
    setup = await channel_setup()
    down = await setup.down()
    await claims([down])
    await delivery_claims.give_back(await claims([down], NOW + LEASE_MS))
    assert [one.maybe_sent for one in await claims([down], NOW + LEASE_MS)] == [True]


async def test_a_digest_that_is_given_back_is_claimed_again_as_it_was():
    _, ids = await storm(6)
    await claimed(ids)
    await sent(ids[:3])
    (digest,) = await claims(ids[3:], NOW + WINDOW)
    await delivery_claims.give_back([digest])
    (again,) = await claims(ids[3:], NOW + WINDOW)
    assert (again.id, [one.id for one in again.merged]) == (digest.id, [one.id for one in digest.merged])
    assert again.attempts == digest.attempts


if ON_POSTGRES:  # SQLite's planner keeps no statistics unless it is asked to

    async def test_an_older_plan_does_not_decide_what_is_open_now():
        setup = await channel_setup()
        await settled(AttemptResult(await setup.down(), 1, "sent"))
        await db.rows("ANALYZE deliveries")
        known = {row["attname"] for row in await db.rows("SELECT attname FROM pg_stats WHERE tablename = 'deliveries'")}
        assert "channel_id" in known
        assert "state" not in known
