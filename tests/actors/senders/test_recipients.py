"""Several people behind one send: each is judged alone, and nobody gets the same message twice."""

import asyncio
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from aiohttp import web
from hypothesis import given, strategies as st

from actors.senders import DeliveryError, SendReport, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import smtp as smtp_sender
from app.security.secrets.config_views import restriction_of
from schema.channels import Sendgrid, Signal, Smtp
from schema.deliveries import RecipientOutcome, RecipientResult
from tests.actors.senders import sample_messages
from tests.actors.senders.answering import answering, sendgrid_server, signal_server
from tests.actors.senders.mailhost import Mailhost, mailhost
from tests.actors.senders.sample_messages import channel

ACCEPTED, REFUSED, LATER = RecipientOutcome
OK, GREY, GONE = "ok@home.example", "grey@home.example", "gone@home.example"
ONE, TWO = "+12025550123", "+12025550124"
GROUP = "group.b3Bz"
UNTRUSTED = 'Failed to send (some) messages:\n+12025550124: Untrusted Identity for "+12025550124"\n1780698557041\n'


@pytest.fixture
def host() -> Iterator[Mailhost]:
    with mailhost() as one:
        yield one


async def sent(
    config: Any, context: SenderContext, *settled: RecipientResult
) -> tuple[SendReport, DeliveryError | None]:
    """Send once; the report, and the error if there was one."""
    report = SendReport(settled)
    try:
        await send(config, sample_messages.message(), context, report=report)
    except DeliveryError as error:
        return report, error
    return report, None


def outcomes(report: SendReport) -> dict[str, RecipientOutcome]:
    return {name: one.outcome for name, one in report.results.items()}


def had(recipient: str, outcome: RecipientOutcome = ACCEPTED) -> RecipientResult:
    return RecipientResult(recipient=recipient, outcome=outcome)


async def test_mail_for_a_recipient_refused_for_now_is_sent_again_to_that_one_only(
    host: Mailhost, context: SenderContext
) -> None:
    config = sample_messages.smtp(host.port, to=[OK, GREY])
    host.replies = {GREY: "451 4.7.1 greylisted"}
    report, error = await sent(config, context)
    assert outcomes(report) == {OK: ACCEPTED, GREY: LATER}
    assert error
    assert (error.permanent, error.reason) == (False, "1 of 2 recipients not reached: answered 451 4.7.1 greylisted")
    host.replies = {}
    again, error = await sent(config, context, *report.all_settled().values())
    assert (outcomes(again), error) == ({GREY: ACCEPTED}, None)
    assert [one.rcpt_tos for one in host.letters] == [[OK], [GREY]]
    assert [host.mail()["To"]] == [f"{OK}, {GREY}"]  # it is the same letter


async def test_names_of_recipients_are_in_the_header_only(host: Mailhost, context: SenderContext) -> None:
    host.replies = {"ann@xn--bcher-kva.example": "550 5.1.1 no such user"}
    config = sample_messages.smtp(host.port, to=["Ann <ann@bücher.example>", f"Ok <{OK}>"])
    report, error = await sent(config, context)
    assert outcomes(report) == {"ann@xn--bcher-kva.example": REFUSED, OK: ACCEPTED}
    assert (error, host.letters[0].rcpt_tos) == (None, [OK])
    assert host.mail()["To"] == f"Ann <ann@xn--bcher-kva.example>, Ok <{OK}>"


async def test_mail_names_the_recipient_that_is_refused_for_good(host: Mailhost, context: SenderContext) -> None:
    host.replies = {GONE: f"550 5.1.1 <{GONE}> no such user"}
    report, error = await sent(sample_messages.smtp(host.port, to=[OK], bcc=[GONE]), context)
    assert error is None
    assert report.results[GONE] == RecipientResult(
        recipient=GONE, outcome=REFUSED, reason=f"answered 550 5.1.1 <{GONE}> no such user"
    )
    assert report.not_reached == "1 of 2 recipients not reached: answered 550 5.1.1 <(recipient)> no such user"


async def test_mail_that_no_recipient_may_get_counts_against_the_channel(
    host: Mailhost, context: SenderContext
) -> None:
    host.replies = {"RCPT": "550 no such user"}
    _, error = await sent(sample_messages.smtp(host.port, to=[OK, GONE]), context)
    assert error
    assert (error.permanent, error.channel_level) == (True, True)


async def test_mail_to_those_who_have_it_is_not_sent(host: Mailhost, context: SenderContext) -> None:
    report, error = await sent(sample_messages.smtp(host.port, to=[OK, GONE]), context, had(OK), had(GONE, REFUSED))
    assert (report.results, error, host.letters) == ({}, None, [])


@pytest.mark.parametrize(
    ("code", "text", "permanent"),
    [
        (450, "busy", False),
        (452, "4.2.2 mailbox full", False),
        (550, "5.1.1 no such user", True),
        (552, "too many recipients", False),  # RFC 5321, 4.5.3.1.10
        (552, "5.2.2 mailbox full", True),
    ],
)
def test_a_reply_to_a_recipient_is_final_or_not(code: int, text: str, *, permanent: bool) -> None:
    error = smtp_sender.recipient_error(code, text)
    assert (error.permanent, error.channel_level, error.got_response) == (permanent, permanent, True)


@pytest.mark.parametrize(
    ("reply", "of_data", "of_channel"),
    [
        ("554 looks like spam", True, False),
        ("550 5.7.1 policy", True, False),
        ("552 5.3.4 too big", True, False),
        ("554 5.6.0 bad content", True, False),
        ("550 5.7.26 unauthenticated mail from this domain is not accepted", True, True),
        ("550 5.1.1 no such user", True, True),
        ("550 sender rejected", False, True),
        ("530 5.7.0 authentication required", False, True),
        ("552 size", False, False),
        ("554 go away", False, True),
        ("451 later", False, False),
    ],
)
def test_a_mail_server_s_reply_concerns_the_message_or_the_channel(
    reply: str, *, of_data: bool, of_channel: bool
) -> None:
    code, _, text = reply.partition(" ")
    assert smtp_sender.is_of_channel(int(code), text, of_data=of_data) is of_channel


@pytest.mark.parametrize(("verb", "of_channel"), [("RCPT", True), ("DATA", False)])
async def test_a_refusal_of_the_only_recipient_is_one_of_the_channel(
    verb: str, *, of_channel: bool, host: Mailhost, context: SenderContext
) -> None:
    host.replies = {verb: "550 no"}
    _, error = await sent(sample_messages.smtp(host.port), context)
    assert error
    assert (error.permanent, error.channel_level) == (True, of_channel)


def signal(url: str, *recipients: str) -> Signal:
    config: Signal = channel("signal", url, recipients=list(recipients))
    return config


async def test_on_signal_each_recipient_has_a_request_and_an_outcome_of_its_own(context: SenderContext) -> None:
    async with answering(signal_server({TWO: UNTRUSTED})) as server:
        report, error = await sent(signal(server.url, ONE, TWO), context)
        assert (outcomes(report), error) == ({ONE: ACCEPTED, TWO: REFUSED}, None)
        assert sorted(one["recipients"] for one in server.requests) == [[ONE], [TWO]]


async def test_on_signal_only_those_who_may_still_get_it_are_sent_it_again(context: SenderContext) -> None:
    async with answering(signal_server({TWO: "Failed to send message"})) as server:
        report, error = await sent(signal(server.url, ONE, TWO), context)
        assert outcomes(report) == {ONE: ACCEPTED, TWO: LATER}
        assert error
        assert not error.permanent
        server.requests.clear()
        server.answer = signal_server({})
        again, error = await sent(signal(server.url, ONE, TWO), context, *report.all_settled().values())
        assert (outcomes(again), error, [one["recipients"] for one in server.requests]) == (
            {TWO: ACCEPTED},
            None,
            [[TWO]],
        )


async def test_a_group_of_which_some_have_it_is_not_sent_it_again(context: SenderContext) -> None:
    async with answering(signal_server({GROUP: UNTRUSTED})) as server:
        report, error = await sent(signal(server.url, GROUP), context)
        assert error is None
        assert report.results[GROUP].outcome is ACCEPTED
        assert "Untrusted Identity" in report.results[GROUP].reason


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('Failed to send (some) messages:\n+1: Unregistered user "+1"', REFUSED),
        ("Failed to send message due to untrusted identities", REFUSED),
        ('Failed to send (some) messages:\nNetwork failure for "+1"', LATER),
        ("Failed to send message due to rate limiting", LATER),
        ("CAPTCHA proof required for sending to +1, or wait 86400 seconds", LATER),
    ],
)
async def test_a_signal_error_of_one_recipient_is_final_or_not(
    text: str, outcome: RecipientOutcome, context: SenderContext
) -> None:
    async with answering(signal_server({TWO: text})) as server:
        report, _ = await sent(signal(server.url, TWO), context)
    assert outcomes(report) == {TWO: outcome}


async def test_results_known_at_the_time_limit_are_kept(context: SenderContext) -> None:
    """One recipient's request hangs; the other has the message."""
    waiting = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        if (await request.json())["recipients"] == [TWO]:
            await waiting.wait()
        return web.Response(status=201)

    runner = web.AppRunner(app := web.Application(), shutdown_timeout=0.1)
    app.router.add_route("*", "/{path:.*}", take)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    report = SendReport()
    with pytest.raises(DeliveryError, match="no answer within"):
        await send(
            signal(f"http://127.0.0.1:{runner.addresses[0][1]}", ONE, TWO),
            sample_messages.message(),
            context,
            timeout_s=2,
            report=report,
        )
    waiting.set()
    await runner.cleanup()
    assert outcomes(report) == {ONE: ACCEPTED}


def sendgrid(url: str, **changes: Any) -> Sendgrid:
    config: Sendgrid = channel("sendgrid", url, **changes)
    return config


async def test_an_address_that_sendgrid_refuses_keeps_no_other_from_the_mail(context: SenderContext) -> None:
    async with answering(sendgrid_server({GONE})) as server:
        report, error = await sent(sendgrid(server.url, to=[GONE, OK], bcc=[GREY]), context)
        assert (outcomes(report), error) == ({GONE: REFUSED, OK: ACCEPTED, GREY: ACCEPTED}, None)
        assert server.requests[-1]["personalizations"] == [{"to": [{"email": OK}], "bcc": [{"email": GREY}]}]
        assert report.results[GONE].reason == "answered 400 Bad Request: Does not contain a valid address."


@pytest.mark.parametrize(
    ("changes", "personalizations"),
    [
        ({"to": [GONE], "cc": [OK], "bcc": [GREY]}, [{"to": [{"email": OK}], "bcc": [{"email": GREY}]}]),
        ({"to": [GONE], "bcc": [OK, GREY]}, [{"to": [{"email": OK}]}, {"to": [{"email": GREY}]}]),
    ],
)
async def test_without_a_to_nobody_sees_more_addresses_than_before(
    changes: dict[str, Any], personalizations: list[Any], context: SenderContext
) -> None:
    async with answering(sendgrid_server({GONE})) as server:
        _, error = await sent(sendgrid(server.url, **changes), context)
        assert (error, server.requests[-1]["personalizations"]) == (None, personalizations)


async def test_a_mail_whose_every_address_sendgrid_refuses_is_one_of_the_channel(context: SenderContext) -> None:
    async with answering(sendgrid_server({GONE, OK})) as server:
        _, error = await sent(sendgrid(server.url, to=[GONE], cc=[OK]), context)
        assert error
        assert (error.permanent, error.channel_level, len(server.requests)) == (True, True, 1)


def test_a_viewer_sees_recipients_in_the_config_so_the_delivery_may_name_them() -> None:
    fields = [(Smtp, "to"), (Smtp, "cc"), (Smtp, "bcc"), (Sendgrid, "to"), (Signal, "recipients")]
    hints = [get_type_hints(config, include_extras=True)[name] for config, name in fields]
    assert {restriction_of(hint) for hint in hints} == {None}


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


@given(NAMES, st.lists(st.sampled_from(["accepted", "refused", "later", "untried"]), min_size=6, max_size=6), st.data())
def test_a_message_is_retried_exactly_while_a_recipient_may_still_get_it(
    names: list[str], given_outcomes: list[str], data: st.DataObject
) -> None:
    before = {name: data.draw(st.sampled_from([ACCEPTED, REFUSED, None]), name) for name in names}
    report = SendReport(had(name, outcome) for name, outcome in before.items() if outcome)
    waiting = report.remaining(names)
    assert waiting == [name for name in names if before[name] is None]
    now = dict(zip(waiting, given_outcomes, strict=False))
    for name, outcome in now.items():
        if outcome == "accepted":
            report.accept(name)
        elif outcome != "untried":
            report.fail(name, DeliveryError("no", permanent=outcome == "refused"))
    error = None
    try:
        report.conclude(names)
    except DeliveryError as raised:
        error = raised
    may_still = {name for name, outcome in now.items() if outcome in {"later", "untried"}}
    has_it = ACCEPTED in before.values() or "accepted" in now.values()
    assert set(report.remaining(names)) == may_still
    assert (error is not None and not error.permanent) is bool(may_still)
    assert (error is not None and error.permanent) is (not may_still and not has_it)
    assert report.has_reached_somebody is has_it
