"""Checks of mail servers: Dovecot, aiosmtpd, and servers with another protocol."""

import tracemalloc
from functools import partial
from typing import Any

import dns.message
import dns.rrset
import pytest
from msgspec import ValidationError, convert

from schema.assertions import CertificateDays, Operator, Value
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Mail, MailProtocol, MailSecurity
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.nameserver import naming
from tests.actors.probes.scripted_server import flooding, saying, talking
from tests.actors.probes.servers_mail import Letterbox, dovecot, posting, wrong_name

__all__ = ["dovecot"]
UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
SMTP, IMAP, POP3 = MailProtocol
LOGIN = {"username": "watch", "password": 'ri ght"'}
BOTH = pytest.mark.parametrize("protocol", [IMAP, POP3])


def asking(port, protocol=SMTP, **changes):
    return Mail(**{"host": "127.0.0.1", "protocol": protocol, "port": port, **changes})


@BOTH
async def test_a_mailbox_server_greets_and_lists_its_capabilities(check, dovecot, protocol):
    outcome = await check(asking(dovecot[protocol], protocol), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED)
    assert "Dovecot" in outcome.detail["welcome_message"]
    assert "IMAP4REV1" in outcome.detail["capabilities"] or "STLS" in outcome.detail["capabilities"]
    assert "authenticated" not in outcome.detail


@BOTH
@pytest.mark.parametrize("security", MailSecurity)
async def test_messages_are_counted_after_a_login(check, dovecot, protocol, security):
    port = dovecot[f"{protocol}s" if security is MailSecurity.TLS else protocol]
    two = Value(operator=Operator.EQUALS, expected="2")
    outcome = await check(asking(port, protocol, security=security, assertions=[two], **LOGIN), detailed=True)
    assert (outcome.status, outcome.message) == (UP, "")
    assert (outcome.detail["authenticated"], outcome.detail["mailbox_message_count"]) == (True, 2)


@BOTH
async def test_a_wrong_password_is_down_and_not_in_the_message(check, dovecot, protocol):
    outcome = await check(asking(dovecot[protocol], protocol, username="watch", password="wr{3}ong"))
    assert outcome.status is DOWN
    assert outcome.message.startswith("the login was refused: ")
    assert "wr{3}ong" not in f"{outcome.message} {outcome.detail}"


async def test_smtp_lists_its_capabilities(check, tmp_path):
    async with posting(starttls=certificates.served(tmp_path)) as port:
        outcome = await check(asking(port), detailed=True)
    assert (outcome.status, outcome.detail["ehlo_code"], outcome.detail["ehlo_message"]) == (UP, 250, "box.test")
    assert (outcome.detail["supports_tls"], "SIZE" in outcome.detail["extensions"]) == (True, True)
    assert outcome.detail["protocol"] == "smtp"


@pytest.mark.parametrize("security", MailSecurity)
@pytest.mark.parametrize("lacking", [[], ["PLAIN"]])
async def test_smtp_lets_a_user_in(check, tmp_path, security, lacking):
    tls = certificates.served(tmp_path)
    encryption: dict[str, Any] = {"tls": {"tls": tls}, "starttls": {"starttls": tls}, "none": {}}[security]
    async with posting(**encryption, auth_exclude_mechanism=lacking) as port:
        right = await check(asking(port, security=security, username="watch", password="right"), detailed=True)
        wrong = await check(asking(port, security=security, username="watch", password="wrong"))
    assert (right.status, right.message, right.detail["authenticated"]) == (UP, "", True)
    assert (wrong.status, wrong.message[:28]) == (DOWN, "the login was refused: 535 5")


async def test_a_message_is_sent_as_it_was_written(check):
    box, text = Letterbox(), ".hidden dot\n.\nÄ message"
    async with posting(box) as port:
        outcome = await check(
            asking(port, test_send=True, from_email="a@box.test", to_email="b@box.test", message=text), detailed=True
        )
    (letter,) = box.letters
    assert (outcome.status, outcome.detail["test_send_success"]) == (UP, True)
    assert (letter.mail_from, letter.rcpt_tos) == ("a@box.test", ["b@box.test"])
    assert b"Subject: Watchkeeper test\r\n" in letter.content


async def test_a_line_of_one_dot_does_not_end_a_message(check):
    box = Letterbox()
    async with posting(box) as port:
        await check(asking(port, test_send=True, from_email="a@box.test", to_email="b@box.test", message=".\n..\nlast"))
    (letter,) = box.letters
    assert letter.content.endswith(b"\r\n\r\n.\r\n..\r\nlast\r\n")


async def test_a_recipient_who_does_not_live_here_is_down(check):
    async with posting() as port:
        outcome = await check(asking(port, test_send=True, from_email="a@box.test", to_email="nobody@box.test"))
    assert (outcome.status, outcome.message) == (DOWN, "the recipient was refused: 550 5.1.1 no such mailbox")


@pytest.mark.parametrize("security", [MailSecurity.TLS, MailSecurity.STARTTLS])
async def test_a_certificate_is_verified_unless_its_errors_are_ignored(check, tmp_path, security):
    context = wrong_name(tmp_path)
    serving: dict[str, Any] = {"tls": context} if security is MailSecurity.TLS else {"starttls": context}
    async with posting(**serving) as port:
        strict = await check(asking(port, security=security))
        lenient = await check(asking(port, security=security, ignore_tls_errors=True))
    assert strict.status is DOWN
    assert strict.message.startswith("certificate not valid: IP address mismatch")
    assert lenient.status is UP


async def test_a_certificate_may_have_to_last(check, tmp_path):
    async with posting(starttls=certificates.served(tmp_path, days=5)) as port:
        lasting = [CertificateDays(min_days=30)]
        outcome = await check(asking(port, security=MailSecurity.STARTTLS, assertions=lasting))
    assert outcome.status is DEGRADED


async def test_a_server_without_starttls_or_a_known_login_is_down(check):
    async with posting(auth_require_tls=True) as port:
        plain = await check(asking(port, security=MailSecurity.STARTTLS))
        closed = await check(asking(port, username="watch", password="right"))
    assert (plain.status, plain.message) == (DOWN, "the server does not offer STARTTLS")
    assert (closed.status, closed.message) == (DOWN, "the server offers no login that we know: none at all")


@pytest.mark.parametrize(
    ("protocol", "words", "message"),
    [
        (SMTP, b"554 no service\r\n", "the server does not greet: 554 no service"),
        (SMTP, b"SSH-2.0-OpenSSH_9\r\n", "the answer is not SMTP: 'SSH-2.0-OpenSSH_9'"),
        (IMAP, b"* BYE busy\r\n", "the server does not greet: busy"),
        (IMAP, b"220 ready\r\n", "the answer is not IMAP: '220 ready'"),
        (IMAP, b"* OK hi\r\nw BAD what\r\n", "its capabilities can't be asked for: BAD what"),
        (POP3, b"-ERR busy\r\n", "the server does not greet: busy"),
        (POP3, b"\xff\x00\r\n", "the answer is not POP3: '\ufffd\\x00'"),
        (POP3, b"+OK " + b"x" * 70_000, "the server sent a line without end"),
    ],
)
async def test_error_responses_and_other_protocols_are_down(check, protocol, words, message):
    async with talking(saying(words, then_hanging=True)) as port:
        outcome = await check(asking(port, protocol))
    assert (outcome.status, outcome.message) == (DOWN, message)


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([b"421-\r\n421 busy\r\n"], "EHLO was refused: 421 busy"),
        ([b"554 go away\r\n"], "EHLO was refused: 554 go away"),
        ([b"502 what?\r\n", b"550-go\r\n550 away\r\n"], "EHLO was refused: 550 go away"),
        ([b"250-box\r\n250 STARTTLS\r\n", b"454 not now\r\n"], "STARTTLS was refused: 454 not now"),
        ([b"250-box\r\n250 STARTTLS\r\n", b"hello\r\n"], "the answer is not SMTP: 'hello'"),
    ],
)
async def test_a_refusal_names_the_command(check, replies, message):
    async with talking(conversing(b"220 box\r\n", *replies)) as port:
        outcome = await check(asking(port, security=MailSecurity.STARTTLS))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_server_without_ehlo_gets_helo(check):
    async with talking(conversing(b"220 box\r\n", b"502 what?\r\n", b"250 old\r\n")) as port:
        outcome = await check(asking(port), detailed=True)
    assert (outcome.status, outcome.detail["ehlo_message"], outcome.detail["extensions"]) == (UP, "old", {})


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (SMTP, b"220-" + b"x" * 60 + b"\r\n"),
        (IMAP, b"* OK " + b"x" * 60 + b"\r\n"),
        (POP3, b"+OK " + b"x" * 60 + b"\r\n"),
    ],
)
async def test_an_endless_response_is_read_up_to_one_megabyte(check, protocol, message):
    async with talking(saying(message * 60_000, then_hanging=True)) as port:
        tracemalloc.start()
        outcome = await check(asking(port, protocol))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (outcome.status, outcome.message) == (DOWN, "the server doesn't stop talking")
    assert peak < 12_000_000


def conversing(greeting, *replies, received=None):
    """Greets, answers each line with the next reply, and then is silent; records the lines in `received`."""

    async def script(reader, writer):
        writer.write(greeting)
        for one in replies:
            line = await reader.readline()
            if received is not None:
                received.append(line)
            writer.write(one)
        await reader.read()

    return script


async def hanging_up(reader, writer):
    writer.write(b"220 box\r\n")
    await reader.readline()


async def test_silence_and_noise_are_down(check, free_port):
    async with talking(hanging_up) as port:
        closed = await check(asking(port))
    assert (closed.status, closed.message) == (DOWN, "the connection was closed in the middle of the conversation")
    async with talking(saying(b"", then_hanging=True)) as port:
        silent = await check(asking(port), timeout_ms=200)
    async with talking(flooding) as port:
        noise = await check(asking(port))
    refused = await check(asking(free_port))
    messages = ["no answer within 0.2 s", "the server doesn't stop talking", "connection refused"]
    assert [one.message for one in (silent, noise, refused)] == messages


@pytest.mark.parametrize(
    ("protocol", "parts", "injected"),
    [
        (
            SMTP,
            [b"220 box\r\n", b"250-box\r\n250 STARTTLS\r\n", b"220 go\r\n"],
            b"250-box\r\n250 AUTH PLAIN\r\n235 come in\r\n221 bye\r\n",
        ),
        (
            IMAP,
            [b"* OK hi\r\n", b"* CAPABILITY STARTTLS\r\nw OK\r\n", b"w OK\r\n"],
            b"* CAPABILITY X\r\nw OK\r\n+\r\n+\r\nw OK\r\n* 1 EXISTS\r\nw OK\r\nw OK\r\n",
        ),
        (POP3, [b"+OK hi\r\n", b"+OK\r\n"], b"+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n+OK 1 1\r\n+OK\r\n"),
    ],
)
async def test_data_before_the_handshake_is_ignored(check, protocol, parts, injected):
    *before, agreed = parts
    async with talking(conversing(*before, agreed + injected, *[b"more\r\n"] * 9)) as port:
        outcome = await check(asking(port, protocol, security=MailSecurity.STARTTLS, **LOGIN), timeout_ms=300)
    assert outcome.status is DOWN
    assert outcome.message.startswith(("no answer", "TLS failed"))


@pytest.mark.parametrize(("offered", "method"), [(b"CRAM-MD5 LOGIN PLAIN", b"PLAIN"), (b"CRAM-MD5 LOGIN", b"LOGIN")])
async def test_a_refused_password_is_not_sent_by_another_method(check, offered, method):
    received: list[bytes] = []
    replies = [b"250-box\r\n250 AUTH %b\r\n" % offered, *[b"535 no\r\n"] * 3]
    async with talking(conversing(b"220 box\r\n", *replies, received=received)) as port:
        outcome = await check(asking(port, **LOGIN))
    assert (outcome.status, outcome.message) == (DOWN, "the login was refused: 535 no")
    assert [line.split()[1] for line in received if line.startswith(b"AUTH ")] == [method]


@pytest.fixture
def use_name_server(monkeypatch):
    """Makes the machine's own resolver one on loopback, at the port given."""

    def at(port):
        def configured(resolver, _):
            resolver.nameservers, resolver.port = ["127.0.0.1"], port

        monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", configured)

    return at


def exchanging(*exchanges):
    def answer(query):
        reply = dns.message.make_response(query)
        if exchanges:
            reply.answer.append(dns.rrset.from_text("shop.test.", 60, "IN", "MX", *exchanges))
        return reply

    return answer


async def test_a_domains_mail_is_looked_at_where_it_goes(check, use_name_server):
    async with posting() as port, naming(exchanging("20 other.test.", "10 localhost.")) as names:
        use_name_server(names)
        outcome = await check(asking(port, host="shop.test", resolve_mx=True), detailed=True)
    assert (outcome.status, outcome.message) == (UP, "")
    assert outcome.detail["mx_records"] == ["10 localhost", "20 other.test"]
    assert outcome.detail["hostname_used"] == "localhost"


@pytest.mark.parametrize(
    ("exchanges", "host", "expected_status", "message"),
    [
        ((), "localhost", UP, ""),
        (("0 .",), "shop.test", DOWN, "shop.test takes no mail (its MX is a dot)"),
        (("10 169.254.169.254.",), "shop.test", UNKNOWN, "169.254.169.254 is a cloud metadata address: refused"),
    ],
)
async def test_a_domain_may_take_its_mail_itself_or_none(
    check, use_name_server, exchanges, host, expected_status, message
):
    async with posting() as port, naming(exchanging(*exchanges)) as names:
        use_name_server(names)
        outcome = await check(asking(port, host=host, resolve_mx=True))
    assert (outcome.status, outcome.message) == (expected_status, message)


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "a"},
        {"username": "a\r\nQUIT", "password": "b"},
        {"test_send": True},
        {"test_send": True, "from_email": "a@b", "to_email": "a@b>\r\nDATA"},
        {"subject": "a\r\nBcc: c@d"},
        {"protocol": "imap", "resolve_mx": True},
    ],
)
def test_a_target_that_would_inject_a_command_is_refused(wrong):
    with pytest.raises(ValidationError):
        convert({"type": "mail", "host": "box.test", "protocol": "smtp", **wrong}, Mail)


async def test_a_corrupted_connection_is_no_internal_error(check, dovecot):
    for protocol in (IMAP, POP3):
        await survives(check, dovecot[protocol], partial(asking, protocol=protocol, **LOGIN))
    async with posting() as port:
        await survives(check, port, asking)
