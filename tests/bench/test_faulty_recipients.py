"""Receivers with several recipients treat them as fault runs configure it."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Sequence
from email.message import EmailMessage
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.senders import SEND_TIMEOUT_S
from app.domain.text import templates
from bench import faulty_mail, faulty_signal, programs
from bench.faulty_receiver import LATE_S
from bench.faulty_recipients import TEMPLATE, Arrival, Odds, PartialReceiver, RecipientLog, Treatment, read_arrival
from bench.programs import ControlledProgram
from schema.channels.rules import Templates
from schema.events import EventKind

TEXT = "~0 t-1 2026-11-22T12:00:00Z 2026-11-22T11:00:00Z\n"
STEADY, UNTRUSTED = "+4915100000001", "+4915100000002"


@pytest.fixture
async def mail() -> AsyncIterator[ControlledProgram]:
    async with programs.controlled("bench.faulty_mail", 3) as one:
        yield one


@pytest.fixture
async def signal() -> AsyncIterator[ControlledProgram]:
    async with programs.controlled("bench.faulty_signal", 3) as one:
        yield one


async def port_of(receiver: ControlledProgram) -> int:
    return int(msgspec.json.decode(await receiver.get("/delivery-port"))["port"])


async def log_of(receiver: ControlledProgram) -> RecipientLog:
    return msgspec.json.decode(await receiver.get("/log"), type=RecipientLog)


def post_mail(port: int, recipients: Sequence[str]) -> dict[str, int]:
    """Send an e-mail; returns the codes of those that were refused."""
    message = EmailMessage()
    message["Message-ID"] = "<a-1@example.com>"
    message.set_content(TEXT)
    with smtplib.SMTP("127.0.0.1", port) as client:
        try:
            refused = client.send_message(message, "watch@example.com", list(recipients))
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
    return {recipient: code for recipient, (code, _) in refused.items()}


async def post_signal(port: int, recipients: Sequence[str]) -> tuple[int, Any]:
    body = {"message": f"Shop is down\n{TEXT}", "number": "+4915112345678", "recipients": recipients}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session,
        session.post(f"http://127.0.0.1:{port}/v2/send", json=body) as got,
    ):
        return got.status, await got.json()


async def test_mail_reaches_exactly_the_recipients_that_were_not_refused(mail: ControlledProgram) -> None:
    await mail.get("/mode/some")
    port, recipients = await port_of(mail), list(faulty_mail.RECIPIENTS)
    expected, codes = list[str](), set[int]()
    for _ in range(40):
        refused = await asyncio.to_thread(post_mail, port, recipients)
        expected += [one for one in recipients if one not in refused]
        codes |= set(refused.values())
    log = await log_of(mail)
    assert [one.recipient for one in log.deliveries] == expected
    assert {(one.id, one.event, one.name) for one in log.deliveries} == {("a-1", "monitor.down", "t-1")}
    assert codes == {451, 550}
    assert list(log.refused) == ["picky@example.com"]
    assert sum(log.refused.values()) + sum(log.later.values()) == 40 * len(recipients) - len(expected)


async def test_mail_that_is_answered_too_late_is_delivered(mail: ControlledProgram) -> None:
    await mail.get("/mode/late")
    port = await port_of(mail)
    while not (log := await log_of(mail)).late:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for line in ("HELO me", "MAIL FROM:<a@b.c>", "RCPT TO:<steady@example.com>", "DATA"):
            await reader.readline()
            writer.write(f"{line}\r\n".encode())
        await reader.readline()
        writer.write(f"Message-ID: <a-2@b.c>\r\n\r\n{TEXT}\r\n.\r\n".encode())
        await writer.drain()
        count = len(log.deliveries)
        while len((await log_of(mail)).deliveries) == count:  # another process has no event
            await asyncio.sleep(0.01)
        writer.close()
    assert [one.is_answered for one in log.deliveries].count(False) == log.late


async def test_signal_names_those_who_did_not_get_it_and_delivers_to_the_others(signal: ControlledProgram) -> None:
    status, body = await post_signal(await port_of(signal), [STEADY, UNTRUSTED])
    assert status == 400
    assert body == {"error": f'Failed to send (some) messages:\n{UNTRUSTED}: Untrusted Identity for "{UNTRUSTED}"'}
    assert [one.recipient for one in (await log_of(signal)).deliveries] == [STEADY]


async def test_some_members_of_a_signal_group_are_missed_though_it_has_the_message(signal: ControlledProgram) -> None:
    await signal.get("/mode/some")
    port = await port_of(signal)
    statuses = [(await post_signal(port, [faulty_signal.GROUP]))[0] for _ in range(30)]
    assert set(statuses) == {201, 400}
    assert len((await log_of(signal)).deliveries) == 30


async def test_signal_answers_too_late_what_it_delivered(signal: ControlledProgram) -> None:
    await signal.get("/mode/late")
    port, timeouts = await port_of(signal), 0
    while not timeouts:
        try:
            await post_signal(port, [STEADY])
        except TimeoutError:
            timeouts += 1
    log = await log_of(signal)
    assert [one.is_answered for one in log.deliveries].count(False) == log.late == timeouts


def test_late_is_later_than_the_product_waits() -> None:
    assert LATE_S > SEND_TIMEOUT_S


def test_recipients_are_refused_only_in_the_mode_that_refuses_them() -> None:
    receiver = PartialReceiver({"a": Odds(refused=1.0), "b": Odds(later=1.0), "c": Odds(always_refused=True)}, 1)
    assert [receiver.treat(one) for one in "abc"] == [Treatment.ACCEPTED, Treatment.ACCEPTED, Treatment.REFUSED]
    receiver.mode = "some"
    assert [receiver.treat(one) for one in "abc"] == [Treatment.REFUSED, Treatment.LATER, Treatment.REFUSED]
    assert (receiver.log().refused, receiver.log().later) == ({"a": 1, "c": 2}, {"b": 1})


def test_a_message_of_the_template_is_read() -> None:
    """A digest of an outage and a recovery, as the product renders it."""
    up = templates.sample_message(EventKind.MONITOR_UP)
    digest = msgspec.structs.replace(templates.sample_message(EventKind.MONITOR_DOWN), merged=(up,))
    text = templates.render(Templates(text=TEMPLATE), digest).message.text
    found = read_arrival(Arrival("a", "id", f"Shop is down\n{text}", 5.0, is_answered=True))
    assert [(one.event, one.name, one.recipient) for one in found] == [
        ("monitor.down", "Shop", "a"),
        ("monitor.up", "Shop", "a"),
    ]
    assert [one.at_ms for one in found] == [digest.at.timestamp() * 1000, up.at.timestamp() * 1000]


def test_a_message_without_events_is_an_error() -> None:
    with pytest.raises(ValueError, match="without events"):
        read_arrival(Arrival("a", "id", "Shop is down", 5.0, is_answered=True))
