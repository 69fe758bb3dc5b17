"""A deleted channel leaves its name to its deliveries, and nothing else: no secret, no link, no message."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from app import clock, db
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.errors import Conflict, Invalid, NoSuch
from app.store.alerting import (
    channel_health,
    channels,
    deleted_channels,
    delivery_queries,
    delivery_queue,
    delivery_resend,
    outbox,
    webhooks,
)
from app.store.alerting.channel_health import UnhealthyChannels
from app.store.alerting.channels import ChannelQuery
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.alerting.delivery_results import AttemptResult
from app.store.alerting.webhooks import WebhookQuery
from app.store.history import retention
from app.store.history.retention import RetentionPeriods
from app.store.incidents import escalation_policies
from app.store.monitoring import monitor_links, proxies, tags
from app.store.system import secret_rotation
from app.store.transactions import monitors, results
from schema.channels import Telegram
from schema.channels.rules import Grouping, Templates
from schema.deliveries import Delivery, ReasonCode
from schema.escalations import EscalationDraft, EscalationStep
from schema.events import EventKind
from schema.tags import TagDraft
from schema.webhooks import WebhookDraft
from tests import make
from tests.app.store.channel_setup import (
    NOW,
    STEP,
    ChannelSetup,
    channel_setup,
    claimed,
    settled,
    state,
    state_and_code,
    states,
)

pytestmark = pytest.mark.usefixtures("store")

DAY_MS = 86_400_000


async def deliveries_of(channel_id: str) -> list[Delivery]:
    return await delivery_queries.list_page(DeliveryQuery(channel_id=channel_id))


async def sent(setup: ChannelSetup, monitor: int = 0) -> str:
    id_ = await setup.down(monitor)
    await claimed([id_])
    await settled(AttemptResult(id_, 1, "sent", at_ms=NOW, took_ms=9))
    return id_


async def new_webhook(**changes: Any) -> str:
    draft = WebhookDraft(**{"url": "http://127.0.0.1:9/", "events": ["*"], "secret": "sesame", "name": "CI", **changes})
    return (await webhooks.create(draft)).id


async def rows_of_channels() -> list[dict[str, Any]]:
    return [dict(row) for row in await db.rows("SELECT * FROM channels ORDER BY name")]


async def test_its_deliveries_stay_with_name_and_type():
    setup = await channel_setup(2)
    ids = {await sent(setup), await sent(setup, 1)}
    (before, _) = await deliveries_of(setup.channel_id)
    assert (before.channel_name, before.channel_type, before.channel_deleted_at) == ("ops", "webhook", None)
    await channels.delete(setup.channel_id)
    after = await deliveries_of(setup.channel_id)
    assert {one.id for one in after} == ids
    assert {(one.state, one.channel_name, one.channel_type) for one in after} == {("sent", "ops", "webhook")}
    assert all(one.channel_deleted_at for one in after)
    assert await delivery_queries.count(DeliveryQuery()) == 2
    assert len((await delivery_queries.get(ids.pop())).attempts) == 1


async def test_a_webhook_leaves_its_deliveries_likewise():
    hook = await new_webhook()
    async with db.transaction():
        await outbox.record_event(EventKind.BACKEND_DOWN, {"backend": "app-1"}, NOW)
    await webhooks.delete(hook)
    (one,) = await deliveries_of(hook)
    assert (one.channel_name, one.channel_type, one.state, one.reason_code) == (
        "CI", "webhook", "suppressed", ReasonCode.CHANNEL_DELETED,
    )  # fmt: skip
    assert one.channel_deleted_at


async def test_its_row_keeps_no_secret_and_no_rule():
    channel = await channels.create(
        make.channel(
            Telegram(bot_token="sesame", chat_id="7"), all_monitors=True, is_default=True, min_outage=60,
            templates=Templates(title="{{ name }} of the court"),
        )
    )  # fmt: skip
    proxy = await proxies.create(make.proxy())
    hook = await new_webhook(headers={"X-Key": "sesame too"}, proxy_id=proxy.id)
    await webhooks.rotate_secret(hook)
    await channels.delete(channel.id)
    await webhooks.delete(hook)
    for row in await rows_of_channels():
        assert row["config"] == deleted_channels.ERASED_CONFIG
        assert (row["rules"], row["rotated_ms"], row["proxy_id"], bool(row["active"])) == ("{}", None, None, False)
        assert (bool(row["is_default"]), bool(row["all_monitors"])) == (False, False)
    assert await webhooks.drop_previous_secrets(clock.now_ms() + 2 * DAY_MS) == 0
    assert (await secret_rotation.count_stale(), await secret_rotation.reencrypt_all()) == (0, 0)


async def test_no_list_and_no_link_has_it():
    tag = await tags.create(TagDraft(name="shop"))
    channel = await channels.create(make.channel(is_default=True, tag_ids=[tag.id]))
    hook = await new_webhook()
    monitor = (await monitors.create(make.monitor(notification_channel_ids=[channel.id]))).monitor
    steps = [EscalationStep(after=60, channel_ids=[channel.id])]
    policy = await escalation_policies.create(EscalationDraft(name="on call", steps=steps))
    await channels.delete(channel.id)
    await webhooks.delete(hook)
    assert await channels.list_page(ChannelQuery()) == ([], 0)
    assert await webhooks.list_page(WebhookQuery()) == ([], 0)
    assert (await monitors.get(monitor.id)).notification_channel_ids == []
    assert (await escalation_policies.get(policy.id)).steps[0].channel_ids == []
    assert await db.rows("SELECT 1 FROM channel_tags") == []
    created = await monitors.create(make.monitor(notification_channel_ids=None))
    assert created.monitor.notification_channel_ids == []


async def test_no_verb_finds_it():
    channel, hook = (await channels.create(make.channel())).id, await new_webhook()
    await channels.delete(channel)
    await webhooks.delete(hook)
    for refused in (
        channels.get(channel), channels.delete(channel), channel_health.resume(channel),
        webhooks.get(hook), webhooks.delete(hook), webhooks.rotate_secret(hook),
    ):  # fmt: skip
        with pytest.raises(NoSuch):
            await refused
    for draft in (make.monitor(notification_channel_ids=[channel]), make.monitor(notification_channel_ids=[hook])):
        with pytest.raises(Invalid):
            await monitors.create(draft)
    step = EscalationStep(after=60, channel_ids=[channel])
    with pytest.raises(Invalid):
        await escalation_policies.create(EscalationDraft(name="on call", steps=[step]))


@pytest.mark.parametrize("rules", [{}, {"all_monitors": True}, {"events": ["*"]}], ids=["linked", "all", "every event"])
async def test_no_event_reaches_it(rules):
    setup = await channel_setup(**rules)
    await channels.delete(setup.channel_id)
    (no,), before = setup.numbers, await states()
    stored = await results.store_results(make.results(make.down(series=no)), setup.known, NOW)
    assert stored.deliveries == {}
    assert await states() == before


async def test_pending_deliveries_are_suppressed_by_the_deletion():
    setup = await channel_setup(2, min_outage=600)
    waiting, new = await setup.down(), await setup.down(1)
    assert await claimed([waiting]) == []
    assert await state_and_code(waiting) == ("pending", 0, ReasonCode.MIN_OUTAGE)
    await channels.delete(setup.channel_id)
    for id_ in (waiting, new):
        assert await state_and_code(id_) == ("suppressed", 0, ReasonCode.CHANNEL_DELETED)
        assert await state(id_) == ("suppressed", 0, "the channel was deleted")
    later = await db.rows("SELECT id FROM deliveries WHERE next_attempt_ms > ?1", clock.now_ms())
    assert later == []  # the timeline has them at the time of the deletion
    assert await delivery_queue.due_deliveries(NOW + DAY_MS) == {}


async def test_finished_deliveries_keep_their_result():
    setup = await channel_setup(2)
    arrived, refused = await sent(setup), await setup.down(1)
    await claimed([refused])
    await settled(AttemptResult(refused, 1, "dead", "answered 400", reason_code=ReasonCode.REJECTED))
    await channels.delete(setup.channel_id)
    assert await state(arrived) == ("sent", 1, "")
    assert await state_and_code(refused) == ("dead", 1, ReasonCode.REJECTED)


@pytest.mark.parametrize(
    ("result", "ends_as"),
    [
        (AttemptResult("", 1, "sent"), ("sent", 1, "")),
        (AttemptResult("", 1, "dead", "no", reason_code=ReasonCode.REJECTED), ("dead", 1, ReasonCode.REJECTED)),
        (AttemptResult("", 1, "pending", "answered 500", NOW + STEP), ("suppressed", 1, ReasonCode.CHANNEL_DELETED)),
    ],
    ids=["accepted", "rejected", "failed for now"],
)
@pytest.mark.parametrize("outcome", [None, AttemptOutcome.CHANNEL_GONE], ids=["uncounted", "counted"])
async def test_an_attempt_under_way_ends_with_its_result_and_is_the_last(result, ends_as, outcome):
    setup = await channel_setup()
    id_ = await setup.down()
    assert await claimed([id_]) == [id_]
    await channels.delete(setup.channel_id)
    assert (await state(id_))[0] == "sending"
    await settled(replace(result, id=id_, outcome=outcome))
    assert await state_and_code(id_) == ends_as
    assert await claimed([id_], NOW + DAY_MS) == []


async def test_a_digest_under_way_ends_alike_for_all_its_members():
    setup = await channel_setup(3, grouping=Grouping(max_immediate=0, window=1))
    ids = [await setup.down(number) for number in range(3)]
    await claimed(ids)
    carrier = (await claimed(ids, NOW + STEP))[0]
    assert await states() == {"sending": 3}
    await channels.delete(setup.channel_id)
    failed = [AttemptResult(id_, 1, "pending", "answered 500", NOW + DAY_MS, in_digest=id_ != carrier) for id_ in ids]
    await settled(*failed, now_ms=NOW + STEP)
    assert await states() == {"suppressed": 3}


async def test_a_killed_workers_delivery_is_not_sent_again():
    setup = await channel_setup()
    id_ = await setup.down()
    await claimed([id_])
    await channels.delete(setup.channel_id)
    after = NOW + LEASE_MS
    assert await delivery_queue.due_deliveries(after) == {setup.channel_id: [id_]}
    assert await claimed([id_], after) == []
    assert await state_and_code(id_) == ("suppressed", 1, ReasonCode.CHANNEL_DELETED)


async def test_a_channel_that_fails_after_its_deletion_alerts_nobody():
    other = await channels.create(make.channel(name="other", events=["*"]))
    setup = await channel_setup(4)
    ids = [await setup.down(number) for number in range(4)]
    await claimed(ids)
    await channels.delete(setup.channel_id)
    await settled(*(AttemptResult(id_, 1, "dead", "answered 410", outcome=AttemptOutcome.CHANNEL_GONE) for id_ in ids))
    assert await db.rows("SELECT 1 FROM events WHERE kind = ?1", EventKind.CHANNEL_FAILING) == []
    assert await channel_health.count_unhealthy(NOW) == UnhealthyChannels(0, 0)
    assert await deliveries_of(other.id) == []


async def test_a_disabled_channel_does_not_count_after_its_deletion():
    setup = await channel_setup()
    id_ = await setup.down()
    await claimed([id_])
    await settled(AttemptResult(id_, 1, "dead", "answered 410", outcome=AttemptOutcome.CHANNEL_GONE))
    assert await channel_health.count_unhealthy(NOW) == UnhealthyChannels(0, 1)
    await channels.delete(setup.channel_id)
    assert await channel_health.count_unhealthy(NOW) == UnhealthyChannels(0, 0)


async def test_nothing_is_sent_to_it_again():
    setup = await channel_setup(2)
    arrived, dead = await sent(setup), await setup.down(1)
    await claimed([dead])
    await settled(AttemptResult(dead, 1, "dead", "answered 400"))
    await channels.delete(setup.channel_id)
    for id_ in (arrived, dead):
        with pytest.raises(Conflict, match="deleted"):
            await delivery_resend.resend(id_)
    assert await delivery_resend.resend_dead(DeliveryQuery()) == {}
    assert await delivery_resend.resend_dead(DeliveryQuery(), [dead]) == {}
    assert await states() == {"sent": 1, "dead": 1}


async def test_deleting_while_monitors_fail_loses_no_result_and_sends_nothing_later():
    setup = await channel_setup(12)

    async def deleted() -> None:
        await asyncio.sleep(0)
        await channels.delete(setup.channel_id)

    async def fails(no: int) -> None:
        await results.store_results(make.results(make.down(series=no)), setup.known, NOW)

    await asyncio.gather(*map(fails, setup.numbers[:6]), deleted(), *map(fails, setup.numbers[6:]))
    (row,) = await db.rows("SELECT count(*) AS n FROM incidents")
    assert row["n"] == 12
    ids = [one.id for one in await deliveries_of(setup.channel_id)]
    assert await claimed(ids) == []
    assert set(await states()) <= {"suppressed"}


async def test_a_link_made_during_the_deletion_does_not_remain():
    for _ in range(10):
        channel = await channels.create(make.channel())
        monitor = (await monitors.create(make.monitor())).monitor

        async def linked(monitor_id: str = monitor.id, channel_id: str = channel.id) -> None:
            async with db.transaction():
                await monitor_links.set_channels(monitor_id, [channel_id])

        await asyncio.gather(linked(), channels.delete(channel.id), return_exceptions=True)
        assert await monitor_links.channel_ids_by_monitor([monitor.id]) == {}


async def test_housekeeping_deletes_it_after_its_last_delivery():
    setup, unused = await channel_setup(), await channels.create(make.channel(name="unused"))
    await sent(setup)
    for id_ in (setup.channel_id, unused.id):
        await channels.delete(id_)
    now_ms = clock.now_ms()
    assert await deleted_channels.delete_unreferenced(now_ms) == 0  # a transaction may still store a delivery
    later_ms = now_ms + deleted_channels.GRACE_MS + 1_000
    assert await deleted_channels.delete_unreferenced(later_ms) == 1
    assert [row["name"] for row in await rows_of_channels()] == ["ops"]
    await retention.prune(NOW + 399 * DAY_MS, RetentionPeriods())
    assert await deleted_channels.delete_unreferenced(later_ms) == 0
    assert len(await deliveries_of(setup.channel_id)) == 1
    await retention.prune(NOW + 401 * DAY_MS, RetentionPeriods())
    assert await deleted_channels.delete_unreferenced(later_ms) == 1
    assert (await rows_of_channels(), await states()) == ([], {})


async def test_housekeeping_keeps_channels_that_exist():
    await channels.create(make.channel())
    await new_webhook()
    assert await deleted_channels.delete_unreferenced(clock.now_ms() + 1_000 * DAY_MS) == 0
    assert len(await rows_of_channels()) == 2


async def test_a_test_of_an_unsaved_channel_leaves_deleted_ones():
    setup = await channel_setup()
    id_ = await sent(setup)
    await channels.delete(setup.channel_id)
    await db.rows("UPDATE channels SET created_ms = 1")
    test_channel = await channels.create_test_channel(make.channel())
    await channels.delete_test_channel(test_channel)
    assert [one.id for one in await deliveries_of(setup.channel_id)] == [id_]
