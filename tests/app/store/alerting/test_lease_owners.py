"""The leases of a process that has ended end at once; what it was sending is sent again as it would be later."""

import pytest

from app import db
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims, delivery_queue, lease_owners
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_results import AttemptResult
from app.store.alerting.lease_owners import MAX_LOST_ATTEMPTS
from schema.channels.ntfy import Ntfy
from schema.channels.rules import Grouping
from schema.deliveries import ReasonCode
from tests.app.store.channel_setup import NOW, channel_setup, claimed, claims, settled, state, state_and_code

ENDED, OTHER = "a1a1a1a1a1a1a1a1-812-5000", "a1a1a1a1a1a1a1a1-812-5001"
SOON = NOW + 1_000
BACKOFF_MS = 30_000


@pytest.fixture(autouse=True)
def sealed(store) -> None:
    sealing.prepare(store)


async def ended_leases(now_ms: int = SOON) -> list[str]:
    """The deliveries whose leases end with the process, of any channel."""
    found = await lease_owners.end_leases([ENDED], now_ms)
    return [id_ for ids in found.values() for id_ in ids]


async def test_a_delivery_that_an_ended_process_was_sending_is_due_at_once_under_its_id():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    assert await delivery_queue.due_deliveries(SOON) == {}
    assert await lease_owners.end_leases([ENDED], SOON) == {setup.channel_id: [down]}
    assert await delivery_queue.due_deliveries(SOON) == {setup.channel_id: [down]}
    (again,) = await claims([down], SOON, process=OTHER)
    assert (again.id, again.attempts, again.maybe_sent) == (down, 2, True)


async def test_leases_end_once():
    setup = await channel_setup()
    await claimed([await setup.down()], process=ENDED)
    assert len(await ended_leases()) == 1
    assert await ended_leases() == []


@pytest.mark.parametrize("process", [OTHER, ""])
async def test_another_process_and_an_unknown_one_keep_their_leases(process: str):
    setup = await channel_setup(2)
    mine, its = await setup.down(0), await setup.down(1)
    await claimed([mine], process=process)
    await claimed([its], process=ENDED)
    assert await ended_leases() == [its]
    assert await claimed([mine], SOON) == []
    assert await claimed([mine], NOW + LEASE_MS) == [mine]


async def test_owners_of_leases_are_those_that_send():
    setup = await channel_setup(3)
    ids = [await setup.down(number) for number in range(3)]
    for id_, process in zip(ids, (ENDED, OTHER, ""), strict=True):
        await claimed([id_], process=process)
    assert await lease_owners.list_owners() == {ENDED, OTHER, ""}
    await settled(AttemptResult(ids[0], 1, "sent"), AttemptResult(ids[1], 1, "pending", "answered 500", NOW))
    assert await lease_owners.list_owners() == {""}


async def test_a_result_that_arrives_before_the_next_claim_counts():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    await ended_leases()
    await settled(AttemptResult(down, 1, "sent"))
    assert await claimed([down], SOON) == []
    assert (await state(down))[:2] == ("sent", 1)


async def test_a_result_that_arrives_after_the_next_claim_changes_nothing():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    await ended_leases()
    await claimed([down], SOON, process=OTHER)
    await settled(AttemptResult(down, 1, "dead", "too late"))
    assert (await state(down))[:2] == ("sending", 2)
    assert await ended_leases() == []


async def test_the_recovery_follows_or_replaces_the_outage_as_after_the_lease():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    up = await setup.up()
    assert await claimed([up]) == []
    await ended_leases()
    assert await claimed([up], SOON) == [up]
    assert (await state(down))[0] == "suppressed"


async def test_a_digest_is_sent_again_as_it_was():
    setup = await channel_setup(6, Ntfy(topic="alerts"))
    ids = [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(6)]
    await claimed(ids)
    await settled(*(AttemptResult(id_, 1, "sent") for id_ in ids[:3]))
    later = NOW + BACKOFF_MS
    (first,) = await claims(ids[3:], later, process=ENDED)
    await setup.up(3, at_ms=later)
    assert sorted(await ended_leases(later)) == sorted(ids[3:])
    (again,) = await claims([ids[4]], later, process=OTHER)
    assert (again.id, [one.id for one in again.merged]) == (first.id, [one.id for one in first.merged])


async def test_the_trial_of_a_failing_channel_is_repeated_at_once():
    setup = await channel_setup(6)
    ids = [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(6)]
    await claimed(ids[:5])
    failed = AttemptOutcome.TEMPORARY_FAILURE
    await settled(*(AttemptResult(id_, 1, "pending", "answered 500", SOON, outcome=failed) for id_ in ids[:5]))
    later = NOW + BACKOFF_MS
    assert await claimed(ids, later, process=ENDED) == [ids[0]]
    assert await ended_leases(later + 1) == [ids[0]]
    assert setup.channel_id in await delivery_queue.due_deliveries(later + 1)
    assert await claimed(ids, later + 1, process=OTHER) == [ids[0]]
    assert await claimed(ids, later + 1, process=OTHER) == []


async def test_a_backoff_that_began_meanwhile_goes_on():
    setup = await channel_setup(6)
    ids = [await setup.down(number, at_ms=NOW + number, now_ms=NOW) for number in range(6)]
    await claimed(ids[:5])
    await claimed(ids[5:], process=ENDED)
    failed = AttemptOutcome.TEMPORARY_FAILURE
    await settled(*(AttemptResult(id_, 1, "pending", "answered 500", SOON, outcome=failed) for id_ in ids[:5]))
    assert await ended_leases() == [ids[5]]
    assert await claimed(ids, NOW + BACKOFF_MS - 1) == []


async def _claim_as_previous_version(id_: str) -> None:
    await db.rows(
        "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_until_ms = ?2 WHERE id = ?1",
        id_,
        NOW + LEASE_MS,
    )


async def test_the_owner_of_an_earlier_attempt_does_not_end_the_lease_of_a_worker_of_the_previous_version():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    await settled(AttemptResult(down, 1, "pending", "answered 500", NOW))
    await _claim_as_previous_version(down)
    assert await ended_leases() == []


async def test_a_lease_that_was_given_back_has_no_owner():
    setup = await channel_setup()
    down = await setup.down()
    await delivery_claims.give_back(await claims([down], process=ENDED))
    await _claim_as_previous_version(down)
    assert await ended_leases() == []


LOST, FAILED = "its worker ends", "it fails"


@pytest.mark.parametrize(
    ("attempts", "at_once"),
    [
        ([LOST] * (MAX_LOST_ATTEMPTS - 1), True),
        ([LOST] * MAX_LOST_ATTEMPTS, False),
        ([FAILED, *[LOST] * MAX_LOST_ATTEMPTS], False),
        ([FAILED] * MAX_LOST_ATTEMPTS + [LOST], True),
        ([LOST, FAILED, LOST, LOST], True),
    ],
)
async def test_a_message_whose_workers_end_again_and_again_waits_for_its_lease(attempts: list[str], *, at_once: bool):
    setup = await channel_setup()
    down, ended = await setup.down(), []
    for number, attempt in enumerate(attempts, 1):
        await claimed([down], process=ENDED)
        if attempt == FAILED:
            await settled(AttemptResult(down, number, "pending", "answered 500", NOW))
        else:
            ended = await ended_leases(NOW)
    assert ended == ([down] if at_once else [])
    assert await claimed([down], NOW + LEASE_MS) == [down]


@pytest.mark.parametrize(("n_lost", "at_once"), [(MAX_LOST_ATTEMPTS - 1, True), (MAX_LOST_ATTEMPTS, False)])
async def test_the_leases_of_a_digest_end_together(n_lost: int, *, at_once: bool):
    setup = await channel_setup(2, grouping=Grouping(max_immediate=0, window=1))
    old, later = await setup.down(0, at_ms=NOW - 2), NOW + 2_000
    await claimed([old])
    await claimed([old], later)
    await settled(AttemptResult(old, 1, "pending", "answered 500", later))
    new = await setup.down(1, at_ms=NOW - 1)
    await claimed([new], later)
    for number in range(n_lost):
        (digest,) = await claims([old, new], later + number + 2_000, process=ENDED)
        assert (digest.id, len(digest.merged)) == (new, 1)
        ended = await ended_leases(later + number + 2_000)
    assert sorted(ended) == (sorted([old, new]) if at_once else [])


async def test_a_deleted_channels_delivery_is_suppressed_at_once():
    setup = await channel_setup()
    down = await setup.down()
    await claimed([down], process=ENDED)
    await channels.delete(setup.channel_id)
    assert await ended_leases() == [down]
    assert await claimed([down], SOON) == []
    assert await state_and_code(down) == ("suppressed", 1, ReasonCode.CHANNEL_DELETED)
