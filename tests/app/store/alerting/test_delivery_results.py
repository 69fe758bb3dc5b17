"""Attempts change their channel: the circuit opens, it is probed, it is disabled, and others are notified."""

from typing import Any

import msgspec
import pytest

from app import db
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.errors import NoSuch
from app.security.secrets import sealing
from app.store.alerting import channel_health, channel_tests, channels, delivery_queue
from app.store.alerting.channel_health import UnhealthyChannels
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_results import AttemptResult
from schema.channels import ChannelPatch
from schema.deliveries import ReasonCode
from tests.app.store.channel_setup import (
    NOW,
    ChannelSetup,
    channel_setup,
    claimed,
    claims,
    settled,
    state,
    state_and_code,
)

SOON = NOW + 1_000
REST = 30_000


@pytest.fixture(autouse=True)
def sealed(store) -> None:
    sealing.prepare(store)


async def failing(
    count: int,
    answer: AttemptOutcome = AttemptOutcome.TEMPORARY_FAILURE,
    *,
    asked_s: float = 0,
    error: str = "answered 500",
):
    """A channel whose first messages failed like this; the others wait."""
    setup = await channel_setup(8)
    ids = [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(8)]
    await claimed(ids[:count])
    after = "pending" if answer is AttemptOutcome.TEMPORARY_FAILURE else "dead"
    await settled(
        *(AttemptResult(id_, 1, after, error, SOON, outcome=answer, retry_after_s=asked_s) for id_ in ids[:count]),
        now_ms=NOW,
    )
    return setup, ids


async def test_five_failures_open_the_circuit_and_nothing_is_claimed():
    setup, ids = await failing(5)
    assert await claimed(ids, NOW + REST - 1) == []
    assert await delivery_queue.due_deliveries(NOW + REST - 1) == {}
    assert await channel_health.count_unhealthy(NOW) == UnhealthyChannels(1, 0)
    assert await channel_health.count_unhealthy(NOW + 3_600_000) == UnhealthyChannels(0, 0)
    health = (await channels.get(setup.channel_id)).health
    assert (health.failures, health.reason) == (5, "answered 500")


async def test_a_half_open_circuit_sends_one_delivery_and_its_success_closes_it():
    setup, ids = await failing(5)
    later = NOW + REST
    assert setup.channel_id in await delivery_queue.due_deliveries(later)
    assert await claimed(ids, later) == [ids[0]]
    assert await claimed(ids, later) == []
    freed = await settled(AttemptResult(ids[0], 2, "sent", outcome=AttemptOutcome.ACCEPTED), now_ms=later)
    assert freed == {setup.channel_id: ids[1:]}
    assert await claimed(ids, later) == ids[1:]
    assert (await channels.get(setup.channel_id)).health.state == "ok"


async def test_a_probe_that_fails_doubles_the_rest():
    _, ids = await failing(5)
    later = NOW + REST
    (trial,) = await claims(ids, later)
    failed = AttemptResult(ids[0], 2, "pending", "answered 500", later, outcome=AttemptOutcome.TEMPORARY_FAILURE)
    await settled(msgspec.structs.replace(failed, is_trial=trial.is_trial), now_ms=later)
    assert await claimed(ids, later + 2 * REST - 1) == []
    assert len(await claimed(ids, later + 2 * REST)) == 1


async def test_attempts_that_began_before_the_circuit_opened_prolong_no_rest():
    """A receiver hangs: many messages are on their way to it, and time out one after the other."""
    setup = await channel_setup(8)
    ids = [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(8)]
    await claimed(ids)
    for number, id_ in enumerate(ids):
        failed = AttemptResult(id_, 1, "pending", "no answer", SOON, outcome=AttemptOutcome.TEMPORARY_FAILURE)
        await settled(failed, now_ms=NOW + number)
    assert await claimed(ids, NOW + 4 + REST) == [ids[0]]


async def test_a_probe_whose_worker_was_killed_is_followed_by_another():
    _, ids = await failing(5)
    await claimed(ids, NOW + REST)
    assert len(await claimed(ids, NOW + REST + LEASE_MS)) == 1


async def test_a_channel_s_retry_after_is_respected_at_once():
    _, ids = await failing(1, asked_s=90)
    assert await claimed(ids, NOW + 89_999) == []
    assert await claimed(ids, NOW + 90_000) == [ids[0]]


async def test_success_opens_at_once_what_would_wait_longer():
    setup, ids = await failing(5)
    await db.rows("UPDATE deliveries SET next_attempt_ms = ?1 WHERE id = ?2", NOW + 10 * REST, ids[1])
    await claimed(ids, NOW + REST)
    freed = await settled(AttemptResult(ids[0], 2, "sent", outcome=AttemptOutcome.ACCEPTED), now_ms=NOW + REST)
    assert ids[1] in freed[setup.channel_id]


@pytest.mark.parametrize(("count", "answer"), [(3, AttemptOutcome.CHANNEL_REJECTED), (1, AttemptOutcome.CHANNEL_GONE)])
async def test_a_channel_that_refuses_for_good_is_paused_and_what_waits_is_dead(count, answer):
    setup, ids = await failing(count, answer, error="answered 401")
    assert await state(ids[7]) == ("dead", 0, "the channel is disabled: answered 401")
    assert await state_and_code(ids[7]) == ("dead", 0, ReasonCode.CHANNEL_DISABLED)
    health = (await channels.get(setup.channel_id)).health
    assert (health.state, health.reason) == ("disabled", "answered 401")
    assert await channel_health.count_unhealthy(NOW) == UnhealthyChannels(0, 1)


async def test_two_refusals_pause_nothing():
    _, ids = await failing(2, AttemptOutcome.CHANNEL_REJECTED)
    assert await claimed(ids) == ids[2:]


async def test_disabling_a_channel_records_an_event_with_its_name():
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED, error="answered 401")
    (row,) = await db.rows("SELECT data FROM events WHERE kind = 'system.channel_failing'")
    data = msgspec.json.decode(row["data"])
    assert data["channel"] == {"id": setup.channel_id, "name": "ops", "type": "webhook"}
    assert data["msg"] == "The channel ops is disabled: answered 401"


async def test_a_new_delivery_to_a_paused_channel_is_listed_as_dead():
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED, error="answered 401")
    up = await setup.up(3, at_ms=NOW + 60_000)
    assert await claimed([up], NOW + 60_000) == []
    assert await state(up) == ("dead", 0, "the channel is disabled: answered 401")
    assert await state_and_code(up) == ("dead", 0, ReasonCode.CHANNEL_DISABLED)


async def resumed(setup: ChannelSetup) -> None:
    await channel_health.resume(setup.channel_id)


async def reconfigured(setup: ChannelSetup) -> None:
    await channels.update(setup.channel_id, ChannelPatch(config={"url": "http://127.0.0.1:9/other"}))


async def tried_out(setup: ChannelSetup) -> None:
    test = await channel_tests.create(setup.channel_id, channel_tests.sample_event())
    assert len(await claimed([test], 2 * NOW)) == 1  # somebody tries whether it works by now
    await settled(AttemptResult(test, 1, "sent", outcome=AttemptOutcome.ACCEPTED))


@pytest.mark.parametrize("mended", [resumed, reconfigured, tried_out])
async def test_a_paused_channel_is_used_again_after_its_config_changes(mended):
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED)
    await mended(setup)
    assert (await channels.get(setup.channel_id)).health.state == "ok"
    up = await setup.up(3, at_ms=NOW + 60_000)
    assert await claimed([up], NOW + 60_000) == [up]


async def test_another_name_mends_nothing():
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED)
    await channels.update(setup.channel_id, ChannelPatch(name="other"))
    assert (await channels.get(setup.channel_id)).health.state == "disabled"


async def test_a_channel_that_is_not_there_can_not_be_resumed():
    with pytest.raises(NoSuch):
        await channel_health.resume("nobody")


async def test_a_result_releases_deliveries_stored_while_it_waited_to_be_recorded():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down])
    up = await setup.up(now_ms=NOW + 20)
    assert await claimed([up], NOW + 20) == []  # its elder is on its way
    assert await settled(AttemptResult(down, 1, "sent", outcome=AttemptOutcome.ACCEPTED), now_ms=NOW + 10) == {
        setup.channel_id: [up]
    }


async def system_events() -> list[tuple[str, dict[str, Any]]]:
    found = await db.rows("SELECT kind, data FROM events WHERE kind LIKE 'system.%' ORDER BY created_ms, kind")
    return [(row["kind"], msgspec.json.decode(row["data"])) for row in found]


async def works(setup: ChannelSetup, monitor: int = 3) -> None:
    up = await setup.up(monitor, at_ms=NOW + 60_000)
    await claimed([up], NOW + 60_000)
    await settled(AttemptResult(up, 1, "sent", outcome=AttemptOutcome.ACCEPTED), now_ms=NOW + 61_000)


@pytest.mark.parametrize("mended", [resumed, reconfigured, tried_out])
async def test_others_learn_that_a_channel_works_again_when_it_does(mended):
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED)
    await mended(setup)
    if mended is not tried_out:
        assert [kind for kind, _ in await system_events()] == ["system.channel_failing"]
        await works(setup)
    (_, begin), (kind, end) = await system_events()
    assert (kind, end["what"], end["channel"]) == ("system.recovered", "channel_failing", begin["channel"])
    await works(setup, 4)
    assert len(await system_events()) == 2


async def test_a_channel_that_never_failed_for_long_announces_nothing():
    _, ids = await failing(5)
    await claimed(ids, NOW + REST)
    await settled(AttemptResult(ids[0], 2, "sent", outcome=AttemptOutcome.ACCEPTED), now_ms=NOW + REST)
    assert await system_events() == []


async def deleted(setup: ChannelSetup) -> None:
    await channels.delete(setup.channel_id)


async def switched_off(setup: ChannelSetup) -> None:
    await channels.update(setup.channel_id, ChannelPatch(active=False))


@pytest.mark.parametrize("ended", [deleted, switched_off])
async def test_the_warning_about_a_channel_ends_when_it_is_not_used_any_more(ended):
    setup, _ = await failing(3, AttemptOutcome.CHANNEL_REJECTED)
    await ended(setup)
    assert [(kind, data.get("unused")) for kind, data in await system_events()] == [
        ("system.channel_failing", None),
        ("system.recovered", True),
    ]
