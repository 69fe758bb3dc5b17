"""E-mail, through a real SMTP server."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from actors.senders import send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.providers import smtp
from schema.channels import Smtp
from schema.events import EventKind
from schema.message import Message
from tests.actors.senders import sample_messages
from tests.actors.senders.mailhost import PASSWORD, USER, Mailhost, mailhost, server_tls


@pytest.fixture
def host() -> Iterator[Mailhost]:
    with mailhost() as one:
        yield one


def nasty() -> Message:
    return sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name=sample_messages.NASTY, type="http"),
        msg=sample_messages.NASTY,
    )


async def undelivered(config: Smtp, context: SenderContext, **limits: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context, **limits)
    return failed.value


async def test_a_letter_arrives_with_text_and_html(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port), sample_messages.message(), context)
    mail = host.mail()
    assert mail["Subject"] == "Shop <b>&</b> *bar* is down"
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "503 Service Unavailable" in text
    assert "Shop &lt;b&gt;&amp;&lt;/b&gt; *bar* is down</h2>" in html


async def test_the_headers_are_those_of_a_machine_s_letter(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port, cc=["boss@home.example"]), sample_messages.message(), context)
    mail = host.mail()
    assert (mail["From"], mail["To"], mail["Cc"]) == ("watch@home.example", "ops@home.example", "boss@home.example")
    assert parsedate_to_datetime(mail["Date"]) == sample_messages.AT
    assert mail["Message-ID"] == "<0d1f2a3b-0000-4000-8000-000000000001@home.example>"
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_an_outage_and_its_end_are_one_thread(host: Mailhost, context: SenderContext) -> None:
    for event in (EventKind.MONITOR_DOWN, EventKind.MONITOR_UP):
        changes = {"event": event, "delivery_id": str(event), "incident_id": "3b1f"}
        await send(sample_messages.smtp(host.port), sample_messages.message(**changes), context)
        mail = host.mail()
        assert mail["Message-ID"] == f"<{event}@home.example>"
        assert (mail["In-Reply-To"], mail["References"]) == ("<incident.3b1f@home.example>",) * 2


async def test_a_message_without_an_outage_is_no_reply(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port), sample_messages.message(), context)
    assert (host.mail()["In-Reply-To"], host.mail()["References"]) == (None, None)


async def test_an_incident_can_not_add_a_header(host: Mailhost, context: SenderContext) -> None:
    await send(
        sample_messages.smtp(host.port), sample_messages.message(incident_id="1>\r\nBcc: thief@evil.example"), context
    )
    assert host.mail()["Bcc"] is None
    assert host.mail()["References"] == "<incident.1Bccthiefevil.example@home.example>"


async def test_an_outage_can_be_acknowledged_from_the_letter(host: Mailhost, context: SenderContext) -> None:
    await send(
        sample_messages.smtp(host.port), sample_messages.message(ack_url="https://w.example/a/1?t=2&u=3"), context
    )
    text, html = (part.get_content() for part in host.mail().iter_parts())
    assert "Acknowledge: https://w.example/a/1?t=2&u=3" in text
    assert '<a href="https://w.example/a/1?t=2&amp;u=3">Acknowledge</a>' in html


async def test_bcc_recipients_get_the_message_and_are_not_in_its_headers(
    host: Mailhost, context: SenderContext
) -> None:
    config = sample_messages.smtp(
        host.port, to=["a@x.example", "b@x.example"], cc=["a@x.example"], bcc=["boss@x.example"]
    )
    await send(config, sample_messages.message(), context)
    assert host.letters[0].rcpt_tos == ["a@x.example", "b@x.example", "boss@x.example"]
    assert "boss" not in str(host.letters[0].content)


async def test_a_name_can_not_add_a_header_or_a_tag(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port), nasty(), context)
    mail = host.mail()
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("x Bcc: thief@evil.example <script>")
    assert "<script>" not in [part.get_content() for part in mail.iter_parts()][1]
    assert host.letters[0].rcpt_tos == ["ops@home.example"]


@pytest.mark.parametrize(
    "address", ["a\r\nRCPT TO:<thief@evil.example>@x.example", "ops@x.example\nBcc: a@evil.example"]
)
async def test_an_address_can_not_smuggle_anything(address: str, host: Mailhost, context: SenderContext) -> None:
    failed = await undelivered(sample_messages.smtp(host.port, to=[address]), context)
    assert failed.permanent
    assert host.letters == []


async def test_a_line_break_at_an_address_s_end_is_taken_off(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port, to=["ops@home.example\n"]), sample_messages.message(), context)
    assert host.letters[0].rcpt_tos == ["ops@home.example"]


async def test_an_address_in_another_script_arrives(host: Mailhost, context: SenderContext) -> None:
    await send(sample_messages.smtp(host.port, to=["müller@bücher.example"]), sample_messages.message(), context)
    assert host.letters[0].rcpt_tos == ["müller@xn--bcher-kva.example"]


async def test_a_mail_domain_in_another_script_needs_no_smtputf8(context: SenderContext) -> None:
    people = {"to": ["info@müller.example"], "cc": ["ops@пример.example"], "bcc": ["boss@straße.example"]}
    with mailhost(utf8=False) as host:
        config = sample_messages.smtp(host.port, sender="wk@bücher.example", **people)
        await send(config, sample_messages.message(), context)
        letter, mail = host.letters[0], host.mail()
    assert letter.mail_from == "wk@xn--bcher-kva.example"
    assert letter.rcpt_tos == [
        "info@xn--mller-kva.example", "ops@xn--e1afmkfd.example", "boss@xn--strae-oqa.example",
    ]  # fmt: skip
    assert (mail["From"], mail["To"], mail["Cc"]) == (letter.mail_from, *letter.rcpt_tos[:2])
    assert mail["Message-ID"].endswith("@xn--bcher-kva.example>")


async def test_letters_before_the_at_sign_need_smtputf8(context: SenderContext) -> None:
    with mailhost(utf8=False) as host:
        failed = await undelivered(sample_messages.smtp(host.port, to=["müller@home.example"]), context)
    assert failed.permanent


def test_every_attempt_sends_the_same_letter() -> None:
    first, second = (smtp.render(sample_messages.smtp(25), sample_messages.message()).message for _ in range(2))
    first.set_boundary("same")
    second.set_boundary("same")
    assert first.as_bytes() == second.as_bytes()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_and_signed_in(security: str, context: SenderContext, tmp_path: Path) -> None:
    with mailhost(tls=server_tls(tmp_path), starttls=security == "starttls", auth=True) as host:
        config = sample_messages.smtp(
            host.port, security=security, ignore_tls_errors=True, username=USER, password=PASSWORD
        )
        await send(config, sample_messages.message(), context)
        assert len(host.letters) == 1
        assert host.signed_in


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_certificate_is_refused(security: str, context: SenderContext, tmp_path: Path) -> None:
    with mailhost(tls=server_tls(tmp_path), starttls=security == "starttls") as host:
        failed = await undelivered(sample_messages.smtp(host.port, security=security), context)
        assert not failed.permanent
        assert "certificate" in failed.reason
        assert host.letters == []


async def test_without_starttls_nothing_is_sent_unencrypted(host: Mailhost, context: SenderContext) -> None:
    failed = await undelivered(sample_messages.smtp(host.port, security="starttls"), context)
    assert failed.permanent
    assert host.letters == []


async def test_a_wrong_password_is_permanent_and_stays_secret(context: SenderContext) -> None:
    with mailhost(auth=True) as host:
        failed = await undelivered(sample_messages.smtp(host.port, username=USER, password="s3cr3t-wrong"), context)
    assert failed.permanent
    assert failed.channel_level
    assert failed.reason == "the user name or password was refused (535)"
    assert host.refused == ["PLAIN"]  # once: servers lock accounts after a few


async def test_without_tls_a_password_that_can_be_hidden_is_sent_no_other_way(context: SenderContext) -> None:
    received: list[bytes] = []

    async def offers_a_digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for reply in (
            b"250-hi\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n",
            b"334 PDFAaGk+\r\n",
            b"535 no\r\n",
            b"535 no\r\n",
        ):
            received.append(await reader.readline())
            writer.write(reply)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(offers_a_digest, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failed = await undelivered(sample_messages.smtp(port, username=USER, password=PASSWORD), context)
    assert failed.reason == "the user name or password was refused (535)"
    assert [line for line in received if line.startswith(b"AUTH ")] == [b"AUTH CRAM-MD5\r\n"]


async def test_a_server_without_sign_in_gets_no_anonymous_message(host: Mailhost, context: SenderContext) -> None:
    failed = await undelivered(sample_messages.smtp(host.port, username=USER, password=PASSWORD), context)
    assert failed.permanent
    assert host.letters == []


def test_importing_the_senders_does_not_import_aiosmtplib() -> None:
    code = "import sys, actors.senders; assert 'aiosmtplib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4], timeout=30)


@pytest.mark.parametrize(
    ("replies", "permanent", "reason"),
    [
        ({"RCPT": "450 mailbox busy"}, False, "answered 450 mailbox busy"),
        ({"RCPT": "550 no such user"}, True, "answered 550 no such user"),
        ({"DATA": "451 try later"}, False, "answered 451 try later"),
        ({"DATA": "554 looks like spam"}, True, "answered 554 looks like spam"),
    ],
)
async def test_the_server_s_reply_decides_on_retries(
    replies: dict[str, str], *, permanent: bool, reason: str, host: Mailhost, context: SenderContext
) -> None:
    host.replies = replies
    failed = await undelivered(sample_messages.smtp(host.port), context)
    assert (failed.reason, failed.permanent, failed.got_response) == (reason, permanent, True)


async def test_a_closed_port_is_a_temporary_error(host: Mailhost, context: SenderContext) -> None:
    failed = await undelivered(sample_messages.smtp(1), context)
    assert (failed.reason, failed.permanent) == ("no connection: Connection refused", False)


@pytest.mark.parametrize(
    ("greeting", "permanent", "reason"),
    [
        (b"", False, "no answer within 0.3 s"),
        (b"421 too busy\r\n", False, "answered 421 too busy"),
        (b"554 go away\r\n", True, "answered 554 go away"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            False,
            "answered -1 Malformed SMTP response line: HTTP/1.1 400 Bad Request",
        ),
        (b"2" * 100_000, False, "answered -1 Response too long"),
    ],
)
async def test_a_server_that_is_none_is_survived(
    greeting: bytes, *, permanent: bool, reason: str, context: SenderContext
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    limits: dict[str, Any] = {} if greeting else {"timeout_s": 0.3}  # only silence is waited out
    async with server:
        port = server.sockets[0].getsockname()[1]
        failed = await undelivered(sample_messages.smtp(port), context, **limits)
    assert (failed.reason, failed.permanent) == (reason, permanent)


async def test_a_goodbye_that_never_comes_does_not_undo_the_sending(context: SenderContext) -> None:
    taken: list[bytes] = []

    async def never_says_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        while line := await reader.readline():
            if line.startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
            if not line.startswith(b"QUIT"):
                writer.write(b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(never_says_goodbye, "127.0.0.1", 0)
    async with server:
        await send(
            sample_messages.smtp(server.sockets[0].getsockname()[1]), sample_messages.message(), context, timeout_s=5
        )
    assert len(taken) == 1


async def test_names_are_shown_and_stay_off_the_envelope(host: Mailhost, context: SenderContext) -> None:
    config = sample_messages.smtp(
        host.port,
        sender="Wächter <watch@home.example>",
        to=['"Doe, Jane" <jane@home.example>', "ops@home.example"],
        cc=["Doe, John <john@home.example>"],
        bcc=["Boss <boss@home.example>"],
        reply_to="Help desk <help@home.example>",
    )
    await send(config, sample_messages.message(), context)
    mail, (letter,) = host.mail(), host.letters
    assert letter.mail_from == "watch@home.example"
    assert letter.rcpt_tos == ["jane@home.example", "ops@home.example", "john@home.example", "boss@home.example"]
    assert [(one.display_name, one.addr_spec) for one in mail["To"].addresses] == [
        ("Doe, Jane", "jane@home.example"),
        ("", "ops@home.example"),
    ]
    assert mail["From"].addresses[0].display_name == "Wächter"
    assert mail["Cc"] == '"Doe, John" <john@home.example>'
    assert mail["Reply-To"] == "Help desk <help@home.example>"
    assert "Boss" not in str(letter.content)
    assert mail["Message-ID"] == "<0d1f2a3b-0000-4000-8000-000000000001@home.example>"


async def test_headers_of_ones_own_are_sent(host: Mailhost, context: SenderContext) -> None:
    config = sample_messages.smtp(host.port, headers={"X-Team": "Löschzug", "X-Priority": "1"})
    await send(config, sample_messages.message(), context)
    assert (host.mail()["X-Team"], host.mail()["X-Priority"]) == ("Löschzug", "1")


async def test_a_stored_name_can_not_add_a_header(host: Mailhost, context: SenderContext) -> None:
    config = sample_messages.smtp(host.port, sender="x\r\nBcc: thief@evil.example\r\n <watch@home.example>")
    await send(config, sample_messages.message(), context)
    assert host.mail()["Bcc"] is None
    assert host.letters[0].rcpt_tos == ["ops@home.example"]
    headers = {"X-Own": "1\r\nBcc: thief@evil.example"}
    await undelivered(sample_messages.smtp(host.port, headers=headers), context)
    assert len(host.letters) == 1
