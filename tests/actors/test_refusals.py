"""Providers that refuse, for some recipients or for all: who gets what, and who is told that a channel is wrong."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import time_machine

from actors import senders
from actors.notify import Notifier
from app import db
from app.clock import now_ms
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims, delivery_queries, delivery_queue, delivery_resend
from app.store.audit import log as audit_log
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.channels import ChannelConfig, ChannelPatch, Pagerduty, Signal, Telegram
from schema.deliveries import DeliveryDetail, RecipientOutcome
from schema.jobs import NotifyBatch
from tests import make
from tests.actors.senders import sample_messages
from tests.actors.senders.answering import Answer, answering, signal_server
from tests.actors.senders.mailhost import Mailhost, mailhost
from tests.receiver import Order, Receiver, receiving

ONE, TWO = "+4915100000001", "+4915100000002"
UNTRUSTED = f"Failed to send (some) messages:\n{TWO}: Untrusted Identity for …"
OK, GREY = "ok@home.example", "grey@home.example"
ROUTING_ERROR = {
    "status": "invalid event",
    "message": "Event object is invalid",
    "errors": ["Invalid routing key"],
}
NO_CHAT = {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}
NEW_CHAT = -1001234567890


@pytest.fixture
async def clock(store, queue) -> AsyncIterator[Any]:
    with time_machine.travel(datetime(2026, 11, 22, 8, tzinfo=UTC), tick=False) as found:
        yield found


@pytest.fixture
async def others() -> AsyncIterator[Receiver]:
    """A second channel, of all monitors: it hears of the first."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def host() -> Iterator[Mailhost]:
    with mailhost() as one:
        yield one


class Outage:
    """Monitors with a channel; outages are sent, and what is due later when time passes."""

    def __init__(self, notifier: Notifier, clock: Any) -> None:
        self._notifier, self._clock = notifier, clock
        self.channel_id = ""

    async def use(self, config: ChannelConfig, **changes: Any) -> None:
        """The channel under test."""
        self.channel_id = (await channels.create(make.channel(config, **changes))).id

    async def monitor(self) -> int:
        """A new monitor of the channel."""
        draft = make.monitor(notification_channel_ids=[self.channel_id])
        return (await monitors.create(draft)).schedules[0].series

    async def changes(self, monitor: int, outcome: Any) -> list[str]:
        """Change a monitor's status, and send what follows. Returns the channel's deliveries."""
        snapshots = {one.series: one for one in await series.list_snapshots([monitor])}
        self._clock.shift(60)
        made = outcome(series=monitor, at_ms=now_ms())
        stored = await results.store_results(make.results(made), snapshots, now_ms())
        await self._work_off(stored.deliveries)
        return list(stored.deliveries.get(self.channel_id, []))

    async def passes(self, seconds: int, step_s: int = 5) -> None:
        """Let time pass, and send what is due."""
        for _ in range(0, seconds, step_s):
            self._clock.shift(step_s)
            await self._work_off(await delivery_queue.due_deliveries(now_ms()))

    async def _work_off(self, waiting: dict[str, list[str]]) -> None:
        await self._notifier.admit(NotifyBatch(waiting))
        await self._notifier.drained()


@pytest.fixture
async def outage(store, clock, others) -> AsyncIterator[Outage]:
    sealing.prepare(store)
    await channels.create(
        make.channel(make.webhook(url=others.url), name="others", events=["system.*"], all_monitors=True)
    )
    context = senders.make_context()
    notifier = Notifier(context, "https://watch.example", timeout_s=10)
    yield Outage(notifier, clock)
    await notifier.close(5)
    await context.close()


async def detail(id_: str) -> DeliveryDetail:
    return await delivery_queries.get(id_)


def told(receiver: Receiver) -> list[str]:
    return [msgspec.json.decode(one.body)["event"] for one in receiver.arrivals]


def attempts(found: DeliveryDetail) -> list[dict[str, str]]:
    """Of each attempt: recipient → outcome."""
    return [{one.recipient: str(one.outcome) for one in attempt.recipients} for attempt in found.attempts]


def signal(url: str, *recipients: str) -> Signal:
    return Signal(server_url=url, number="+4915112345678", recipients=list(recipients))


async def test_on_signal_nobody_gets_the_same_alert_twice(outage):
    async with answering(signal_server({TWO: UNTRUSTED})) as server:
        await outage.use(signal(server.url, ONE, TWO))
        (id_,) = await outage.changes(await outage.monitor(), make.down)
        await outage.passes(300)
        assert sorted(one["recipients"] for one in server.requests) == [[ONE], [TWO]]
        found = await detail(id_)
        assert (found.delivery.state, attempts(found)) == ("sent", [{ONE: "accepted", TWO: "refused"}])
        assert "1 of 2 recipients not reached" in found.delivery.error
        assert "Untrusted Identity" in next(one.reason for one in found.attempts[0].recipients if one.recipient == TWO)
        assert TWO not in found.delivery.error


async def test_a_recipient_of_mail_that_is_refused_for_now_gets_the_message_later(outage, host):
    host.replies = {GREY: "451 4.7.1 greylisted"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]))
    (id_,) = await outage.changes(await outage.monitor(), make.down)
    found = await detail(id_)
    assert (found.delivery.state, attempts(found)) == ("pending", [{OK: "accepted", GREY: "later"}])
    host.replies = {}
    await outage.passes(30)
    found = await detail(id_)
    assert (found.delivery.state, found.delivery.error) == ("sent", "")
    assert attempts(found) == [{OK: "accepted", GREY: "later"}, {GREY: "accepted"}]
    assert [one.rcpt_tos for one in host.letters] == [[OK], [GREY]]


async def test_one_recipient_that_is_never_reached_delays_nobody_else(outage, host):
    host.replies = {GREY: "452 4.2.2 mailbox full"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]))
    monitor = await outage.monitor()
    (down,) = await outage.changes(monitor, make.down)
    await outage.passes(600)
    (up,) = await outage.changes(monitor, make.outcome)
    (again,) = await outage.changes(monitor, make.down)
    assert [str(one.rcpt_tos) for one in host.letters] == [str([OK])] * 3  # each at once
    assert (await channels.get(outage.channel_id)).health.state == "ok"
    assert [(await detail(one)).delivery.state for one in (down, up)] == ["sent", "sent"]  # newer ones replace them
    assert str((await detail(down)).delivery.reason_code) == "collapsed_into_recovery"
    assert str((await detail(up)).delivery.reason_code) == "superseded"
    await outage.passes(25 * 3_600, step_s=900)
    found = await detail(again)
    assert (found.delivery.state, str(found.delivery.reason_code)) == ("sent", "expired")
    assert "1 of 2 recipients not reached: answered 452 4.2.2 mailbox full" in found.delivery.error
    assert attempts(found)[0] == {OK: "accepted", GREY: "later"}
    assert set(map(str, attempts(found)[1:])) == {str({GREY: "later"})}


async def test_a_digest_is_sent_again_as_it_was_to_those_who_do_not_have_it(outage, host):
    host.replies = {GREY: "451 greylisted"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]), grouping={"max_immediate": 0, "window": 30})
    ids = [id_ for _ in range(3) for id_ in await outage.changes(await outage.monitor(), make.down)]
    await outage.passes(30)
    states = [(await detail(one)).delivery.state for one in ids]
    n_letters = len(host.letters)
    assert states.count("pending") >= 1
    host.replies = {}
    await outage.passes(120)
    assert {(await detail(one)).delivery.state for one in ids} == {"sent"}
    first, later = host.letters[:n_letters], host.letters[n_letters:]
    assert {str(one.rcpt_tos) for one in first} == {str([OK])}
    assert {str(one.rcpt_tos) for one in later} == {str([GREY])}
    assert sorted(_ids_of(first)) == sorted(_ids_of(later))


def _ids_of(letters: list[Any]) -> list[str]:
    return [line for one in letters for line in one.content.decode().split("\r\n") if line.startswith("Message-ID:")]


async def test_after_a_crash_those_who_are_recorded_are_not_sent_it_again(outage, host):
    host.replies = {GREY: "451 greylisted"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]))
    (id_,) = await outage.changes(await outage.monitor(), make.down)
    await outage.passes(0)
    outage._clock.shift(10)
    host.replies = {}
    assert len(await delivery_claims.claim([id_], now_ms())) == 1  # a worker takes it, and is killed
    await outage.passes(120)
    assert (await detail(id_)).delivery.state == "sent"
    assert [one.rcpt_tos for one in host.letters] == [[OK], [GREY]]
    assert len(set(_ids_of(host.letters))) == 1


async def test_a_delivery_that_is_resent_goes_to_every_recipient(outage, host):
    host.replies = {GREY: "550 no such user"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]))
    (id_,) = await outage.changes(await outage.monitor(), make.down)
    assert (await detail(id_)).delivery.state == "sent"
    host.replies = {}
    await delivery_resend.resend(id_)
    await outage.passes(10)
    assert [one.rcpt_tos for one in host.letters] == [[OK], [OK, GREY]]


async def test_a_channel_that_is_disabled_leaves_partly_sent_deliveries_sent(outage, host):
    host.replies = {GREY: "451 greylisted"}
    await outage.use(sample_messages.smtp(host.port, to=[OK, GREY]))
    (id_,) = await outage.changes(await outage.monitor(), make.down)
    host.replies = {"RCPT": "550 relaying denied"}
    for _ in range(3):
        await outage.changes(await outage.monitor(), make.down)
    assert (await channels.get(outage.channel_id)).health.state == "disabled"
    found = await detail(id_)
    assert (found.delivery.state, str(found.delivery.reason_code)) == ("sent", "channel_disabled")


def always(status: int, body: Any) -> Answer:
    return lambda _: (status, body)


@pytest.mark.parametrize(
    ("provider", "status", "body", "n_messages"),
    [
        ("telegram", 400, NO_CHAT, 3),
        ("pagerduty", 400, ROUTING_ERROR, 3),
        ("telegram", 400, {"description": "Bad Request: a new error that no list has"}, 5),
    ],
)
async def test_a_channel_that_refuses_every_message_is_disabled_and_others_are_alerted(
    outage, others, provider, status, body, n_messages
):
    async with answering(always(status, body)) as server:
        configs = {
            "telegram": Telegram(bot_token="123:secret-token", chat_id="-100", server_url=server.url),
            "pagerduty": Pagerduty(routing_key="r" * 32, server_url=server.url),
        }
        await outage.use(configs[provider])
        for n in range(1, 7):
            await outage.changes(await outage.monitor(), make.down)
            health = (await channels.get(outage.channel_id)).health
            assert health.state == ("disabled" if n >= n_messages else "ok")
            assert health.rejections == min(n, n_messages)
        assert len(server.requests) == n_messages
    await others.arrived(1)
    assert told(others) == ["system.channel_failing"]


async def test_a_mail_channel_whose_only_recipient_is_refused_is_disabled_and_others_are_alerted(outage, others, host):
    host.replies = {"RCPT": "550 no such user"}
    await outage.use(sample_messages.smtp(host.port, to=[OK]))
    ids = [id_ for _ in range(4) for id_ in await outage.changes(await outage.monitor(), make.down)]
    assert [(await detail(one)).delivery.state for one in ids] == ["dead"] * 4
    assert (await channels.get(outage.channel_id)).health.state == "disabled"
    await others.arrived(1)
    assert told(others) == ["system.channel_failing"]


async def test_one_bad_message_disables_no_channel_in_however_many_digests_it_was(outage, others):
    """It is the oldest, so that five digests with it are refused, each under the id of another delivery."""
    poison: list[str] = []

    def answer(body: Any) -> tuple[int, Any]:
        is_bad = any(one["data"]["monitor"]["id"] in poison for one in (body, *body["data"].get("others", [])))
        return (400, {}) if is_bad else (200, {})

    async with answering(answer) as server:
        await outage.use(make.webhook(url=server.url), grouping={"max_immediate": 0, "window": 10})
        first = await outage.monitor()
        (snapshot,) = await series.list_snapshots([first])
        poison.append(snapshot.monitor_id)
        for monitor in [first, *[await outage.monitor() for _ in range(7)]]:
            await _stored(outage, monitor)
        await outage.passes(900, step_s=60)  # longer than their backoffs, so that all are due together
        states = [
            row["state"]
            for row in await db.rows("SELECT state FROM deliveries WHERE channel_id = ?1", outage.channel_id)
        ]
        health = (await channels.get(outage.channel_id)).health
        assert (health.state, health.rejections) == ("ok", 1)
        assert len(server.requests) == 5
    assert set(states) == {"dead"}
    assert told(others) == []


async def _stored(outage: Outage, monitor: int) -> None:
    """An outage, a second later, that is only stored."""
    outage._clock.shift(1)
    snapshots = {one.series: one for one in await series.list_snapshots([monitor])}
    made = make.down(series=monitor, at_ms=now_ms())
    await results.store_results(make.results(made), snapshots, now_ms())


async def test_a_message_sent_again_by_hand_and_rejected_again_counts_once(outage):
    async with receiving() as receiver:
        receiver.answer(Order(status=400))
        await outage.use(make.webhook(url=receiver.url))
        (id_,) = await outage.changes(await outage.monitor(), make.down)
        for _ in range(6):
            await delivery_resend.resend(id_)
            await outage.passes(10)
        assert len(receiver.arrivals) == 7
        health = (await channels.get(outage.channel_id)).health
        assert (health.state, health.rejections) == ("ok", 1)


def telegram_server(old: str, *, new_status: int = 200) -> Answer:
    moved = {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": NEW_CHAT},
    }
    return lambda body: (
        (400, moved) if body["chat_id"] == old else (new_status, NO_CHAT if new_status >= 400 else {"ok": True})
    )


async def test_a_telegram_group_that_became_a_supergroup_is_followed_and_its_id_kept(outage):
    async with answering(telegram_server("-100")) as server:
        await outage.use(Telegram(bot_token="123:secret-token", chat_id="-100", server_url=server.url))
        before = await channels.get(outage.channel_id)
        monitor = await outage.monitor()
        (down,) = await outage.changes(monitor, make.down)
        (up,) = await outage.changes(monitor, make.outcome)
        assert [one["chat_id"] for one in server.requests] == ["-100", str(NEW_CHAT), str(NEW_CHAT)]
    assert [(await detail(one)).delivery.state for one in (down, up)] == ["sent", "sent"]
    after = await channels.get(outage.channel_id)
    assert isinstance(after.config, Telegram)
    assert (after.config.chat_id, after.version) == (str(NEW_CHAT), before.version + 1)
    entries, _ = await audit_log.list_page(audit_log.AuditQuery(resource_id=outage.channel_id))
    assert [(one.actor, one.action, one.change) for one in entries] == [
        ("system", "channel.updated", {"config": {"chat_id": str(NEW_CHAT)}})
    ]


async def test_a_new_chat_that_refuses_is_not_kept(outage):
    async with answering(telegram_server("-100", new_status=400)) as server:
        await outage.use(Telegram(bot_token="123:secret-token", chat_id="-100", server_url=server.url))
        (id_,) = await outage.changes(await outage.monitor(), make.down)
    found = await channels.get(outage.channel_id)
    assert isinstance(found.config, Telegram)
    assert ((await detail(id_)).delivery.state, found.config.chat_id, found.version) == ("dead", "-100", 1)


async def test_an_id_that_somebody_has_changed_meanwhile_stays(outage):
    used = Telegram(bot_token="123:secret-token", chat_id="-100")
    await outage.use(used)
    await channels.update(outage.channel_id, ChannelPatch(config={"bot_token": "********", "chat_id": "-200"}))
    assert not await channels.adopt_changes(outage.channel_id, used, {"chat_id": "-300"})
    assert not await channels.adopt_changes("nobody", used, {"chat_id": "-300"})
    found = await channels.get(outage.channel_id)
    assert isinstance(found.config, Telegram)
    assert (found.config.chat_id, found.version) == ("-200", 2)


def test_outcomes_are_those_of_the_schema():
    assert [str(one) for one in RecipientOutcome] == ["accepted", "refused", "later"]
