"""The results of a send: delivered, temporary error, permanent error; and what no error contains."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import structlog

from actors import senders
from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext, make_context
from schema.channels import PROVIDERS, ChannelConfig, Webhook
from schema.field_types import MASK
from schema.message import Message
from schema.settings import EgressPolicy
from tests.actors.probes.scripted_server import listening
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.chats import CHATS
from tests.actors.senders.sample_messages import HTTP_PROVIDERS, channel
from tests.receiver import Order, Receiver

SECRETS = (
    *(
        "s3cr3t-query",
        "s3cr3t-signing-key",
        "s3cr3t-before",
        sample_messages.SLACK_PATH,
        "T0SECRET1",
        "s3cr3tS3cr3t",
        sample_messages.DISCORD_PATH,
    ),
    *("d1sc0rd-s3cr3t-token", sample_messages.TOKEN, "AAF-very_secret-token", "tk_s3cr3t-access"),
    *alarm_channels.SECRETS,
)
SECRET = re.compile(r"s3cr3t-[a-z]+-[a-z]+")  # of all other channels
BIG = 10 * 2**30
FLOOD = '{"ok":false,"description":"flood","parameters":{"retry_after":31}}'
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def undelivered(config: ChannelConfig, context: SenderContext, **limits: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context, **limits)
    return failed.value


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """A server on loopback that talks as it likes."""
    async with listening(talk) as port:
        yield f"http://127.0.0.1:{port}"


def test_every_provider_but_mail_is_tried_over_http() -> None:
    assert set(HTTP_PROVIDERS) == set(PROVIDERS) - {"smtp", "apprise"}  # which has a test module of its own


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_2xx_is_taken(status: int, receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=status, body=""))
    await send(channel("webhook", receiver.url), sample_messages.message(), context)
    assert receiver.accepted() == {sample_messages.message().delivery_id: 1}


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (301, 304, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422)),
        *((status, False) for status in (408, 425, 429, 500, 501, 502, 503, 504, 529, 599)),
    ],
)
async def test_the_status_decides_on_retries(
    status: int, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=status, headers={"Location": "/elsewhere"}, body=""))
    failed = await undelivered(channel("webhook", receiver.url), context)
    assert (failed.permanent, failed.retry_after_s) == (permanent, None)
    is_of_channel = status in {401, 403, 404, 405, 410} or 300 <= status < 400
    assert (failed.channel_level, failed.endpoint_gone) == (is_of_channel, status == 410)
    assert failed.got_response
    assert failed.reason.startswith(f"answered {status}")
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize(
    ("header", "wait_s"), [("7", 7.0), ("0.5", 0.5), ("soon", None), ("99999999999", 3_600.0), ("", None)]
)
async def test_retry_after_is_returned(
    header: str, wait_s: float | None, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=429, headers={"Retry-After": header}))
    assert (await undelivered(channel("webhook", receiver.url), context)).retry_after_s == wait_s


async def test_retry_after_as_a_date_is_returned(receiver: Receiver, context: SenderContext) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    receiver.answer(Order(status=503, headers={"Retry-After": at}))
    failed = await undelivered(channel("webhook", receiver.url), context)
    assert failed.retry_after_s == pytest.approx(600, abs=60)


@pytest.mark.parametrize(
    ("case", "reason", "wait_s"),
    [
        (("slack", 404, "no_service"), "answered 404 Not Found: no_service", None),
        (("slack", 400, "<h1>words of a proxy</h1>"), "answered 400 Bad Request", None),
        (("discord", 404, '{"message":"Unknown Webhook"}'), "answered 404 Not Found: Unknown Webhook", None),
        (("discord", 429, '{"message":"slow","retry_after":0.65}'), "answered 429 Too Many Requests: slow", 0.65),
        (("telegram", 429, FLOOD), "answered 429 Too Many Requests: flood", 31.0),
        (("telegram", 400, '{"description":{"not":"text"}}'), "answered 400 Bad Request", None),
        (("ntfy", 403, '{"code":40301,"error":"forbidden"}'), "answered 403 Forbidden: forbidden", None),
        (("webhook", 500, '{"message":"what our network looks like"}'), "answered 500 Internal Server Error", None),
    ],
)
async def test_the_provider_s_message_is_the_delivery_error(
    case: tuple[str, int, str], reason: str, wait_s: float | None, receiver: Receiver, context: SenderContext
) -> None:
    provider, status, body = case
    receiver.answer(Order(status=status, body=body))
    failed = await undelivered(channel(provider, receiver.url), context)
    assert (failed.reason, failed.retry_after_s) == (reason, wait_s)


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
async def test_a_silent_server_times_out(provider: str, receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(hang=True))
    failed = await undelivered(channel(provider, receiver.url), context, timeout_s=0.1)
    assert (failed.reason, failed.permanent) == ("no answer within 0.1 s", False)


async def test_a_closed_port_is_a_temporary_error(context: SenderContext) -> None:
    failed = await undelivered(channel("webhook", "http://127.0.0.1:1"), context)
    assert (failed.reason, failed.permanent) == ("no connection: Connection refused", False)
    assert not failed.got_response


async def test_a_name_that_does_not_exist_is_temporary(context: SenderContext) -> None:
    failed = await undelivered(channel("webhook", "http://no-such-host.invalid"), context)
    assert not failed.permanent
    assert "no-such-host.invalid" in failed.reason


async def test_tls_towards_a_plain_server_is_temporary(receiver: Receiver, context: SenderContext) -> None:
    failed = await undelivered(channel("ntfy", receiver.url.replace("http:", "https:")), context)
    assert not failed.permanent
    assert failed.reason.startswith("TLS could not be agreed on")


@pytest.mark.parametrize("url", ["http://[", "http://a:99999/", "file:///etc/passwd", "http://"])
async def test_an_invalid_address_is_a_permanent_error(url: str, context: SenderContext) -> None:
    failed = await undelivered(Webhook(url=url), context)
    assert failed.permanent
    assert failed.reason == "the address is not one that can be called"


@pytest.mark.parametrize("provider", ["webhook", "ntfy"])
async def test_a_metadata_address_is_never_called(provider: str, context: SenderContext) -> None:
    failed = await undelivered(channel(provider, "http://169.254.169.254"), context)
    assert failed.permanent
    assert "metadata" in failed.reason


async def test_every_sender_obeys_the_egress_policy(receiver: Receiver) -> None:
    strict = make_context()
    for door in strict.egress_by_setting().values():
        door.use_policy(EgressPolicy(allow_private=False))
    configs = [channel(provider, receiver.url) for provider in HTTP_PROVIDERS] + [sample_messages.smtp(25)]
    reasons = [(await undelivered(config, strict)).reason for config in configs]
    await strict.close()
    assert all("not a public address" in reason for reason in reasons)
    assert receiver.arrivals == []


@pytest.mark.parametrize("status", [b"500 Broken", b"200 OK"])
async def test_a_huge_answer_is_not_read(status: bytes, context: SenderContext) -> None:
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(BIG).encode() + b"\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                written += 65_536
        except ConnectionError:
            writer.close()

    async with raw_server(pour) as url:
        if status.startswith(b"5"):
            assert (await undelivered(channel("slack", url), context)).reason == "answered 500 Internal Server Error"
        else:
            await send(channel("slack", url), sample_messages.message(), context)
    assert written < 64 * 2**20


@pytest.mark.parametrize("answer", [b"", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK"])
async def test_an_answer_that_is_none_is_temporary(answer: bytes, context: SenderContext) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with raw_server(babble) as url:
        failed = await undelivered(channel("webhook", url), context)
    assert not failed.permanent
    assert failed.reason.startswith("the connection broke off before an answer")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok and more",
        b"HTTP/1.1 200 OK\nContent-Length: two\n\nok",
        b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    ],
)
async def test_a_message_is_sent_once_though_the_answer_is_odd(answer: bytes, context: SenderContext) -> None:
    n_requests = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_requests
        await reader.readuntil(b"\r\n\r\n")
        n_requests += 1
        writer.write(answer)
        writer.close()

    async with raw_server(script) as url:
        for n_sent in (1, 2):  # the second on a connection of its own: the first one is in doubt
            await send(channel("webhook", url), sample_messages.message(), context)
            assert n_requests == n_sent


async def test_an_address_is_called_as_it_was_configured(context: SenderContext) -> None:
    lines: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with raw_server(script) as url:
        signed = "/w%2Fx?sig=a%3D%2C%27&type=%41"
        await send(Webhook(url=url + signed), sample_messages.message(), context)
    assert lines == [signed.encode()]


async def test_a_truncated_error_body_still_reports_the_status(context: SenderContext) -> None:
    async def stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 404 Gone\r\nContent-Length: 100\r\n\r\n{"error"')
        writer.close()

    async with raw_server(stop) as url:
        failed = await undelivered(channel("ntfy", url), context)
    assert (failed.reason, failed.permanent) == ("answered 404 Not Found", True)


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
async def test_a_receiver_that_repeats_our_secrets_does_not_make_us_log_them(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    config = channel(provider, receiver.url)
    everything = " ".join((*vars_of(config).values(), *SECRETS))
    fields = ("message", "description", "error", "errorDescription", "errmsg")
    body = json.dumps(dict.fromkeys(fields, everything) | {"errcode": 93_000})
    nested = json.dumps({"error": {"message": everything}, "errors": [everything]})
    receiver.answer(Order(status=400, body=body, times=1), Order(status=400, body=nested))
    reasons = [(await undelivered(config, context)).reason for _ in (body, nested)]
    assert provider not in CHATS or not secrets_of(config) or any(MASK in one for one in reasons)
    assert not [one for one in secrets_of(config) if one in str(reasons)]


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
@pytest.mark.parametrize("trouble", ["refused", "unknown", "broken", "hang"])
async def test_no_secret_is_in_a_reason_or_in_the_log(
    provider: str, trouble: str, receiver: Receiver, context: SenderContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"refused": "http://127.0.0.1:1", "unknown": "http://no-such-host.invalid"}
    receiver.answer(Order(hang=True))
    config = channel(provider, urls.get(trouble, receiver.url))
    if trouble == "broken":
        monkeypatch.setitem(senders.SENDERS, type(config), _broken)
    with structlog.testing.capture_logs() as logs:
        failed = await undelivered(config, context, timeout_s=0.2)
    assert not [one for one in secrets_of(config) if one in f"{failed.reason}{logs}"]
    assert failed.__suppress_context__


async def test_a_bug_in_a_sender_is_an_error_in_the_log_and_the_message_stays(
    context: SenderContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = channel("slack", "http://x.example")
    monkeypatch.setitem(senders.SENDERS, type(config), _broken)
    with structlog.testing.capture_logs() as logs:
        failed = await undelivered(config, context)
    assert not failed.permanent
    assert [(one["log_level"], one["event"], one["type"]) for one in logs] == [("error", "sender.crashed", "Slack")]
    assert logs[0]["error"].startswith("KeyError at ")
    assert "_broken" in logs[0]["error"]


async def test_a_send_that_is_cancelled_is_cancelled(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(hang=True))
    sending = asyncio.create_task(send(channel("webhook", receiver.url), sample_messages.message(), context))
    await receiver.arrived()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def _broken(config: ChannelConfig, message: Message, context: SenderContext) -> None:
    raise KeyError(config)


def vars_of(config: ChannelConfig) -> dict[str, str]:
    return {name: str(getattr(config, name)) for name in config.__struct_fields__}


def secrets_of(config: ChannelConfig) -> list[str]:
    dumped = str(vars_of(config))
    return [one for one in (*SECRETS, *SECRET.findall(dumped)) if one in dumped]


async def test_a_late_timeout_does_not_count_against_the_channel(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(hang=True))
    asyncio.get_running_loop().call_later(0.1, time.sleep, 2)
    assert (await undelivered(channel("webhook", receiver.url), context, timeout_s=0.5)).stalled
