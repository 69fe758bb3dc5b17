"""Hostile mail servers, directories, shells, gRPC and bare ports."""

import struct
from typing import Any

from actors.probes.protocols import ber, ldap_messages
from bench.faults.hostile.scripts import (
    NO_LENGTH,
    POISON,
    Kind,
    Script,
    computing,
    deaf,
    dripping,
    flooding,
    half_closed,
    local,
    replying,
    resetting,
    sending,
    silent,
    value_is,
)


def mail(protocol: str, name: str, script: Script, **more: Any) -> Kind:
    """A mail server."""
    return Kind(name=f"{protocol}: {name}", type="mail", config=local(protocol=protocol, **more), script=script)


def kind(type_: str, name: str, script: Script, **more: Any) -> Kind:
    """A server at a port."""
    return Kind(name=f"{type_}: {name}", type=type_, config=local(**more), script=script)


LINE = POISON + b"\r\n"
MAIL = [
    mail("smtp", "a greeting that is none", sending(b"554 " + LINE)),
    mail("smtp", "no SMTP at all", sending(LINE)),
    mail("smtp", "a banner without end", flooding(b"220 ", after_request=False)),
    mail("smtp", "a banner of a byte a second", dripping(b"220 ", after_request=False)),
    mail("smtp", "a greeting of endless lines", flooding(b"", b"220-a\r\n", after_request=False)),
    mail("smtp", "extensions that are none", computing(
        lambda _: b"250-me\r\n" + b"250-" + LINE + b"250 AUTH X\r\n", lambda _: b"500 " + LINE, first=b"220 hi\r\n"),
        username="me", password="a secret"),
    mail("smtp", "a goodbye that is none", computing(lambda _: b"250 me\r\n", lambda _: b"550 " + LINE,
                                                     first=b"220 " + LINE), assertions=value_is("another")),
    mail("smtp", "STARTTLS, then letters", computing(lambda _: b"250-me\r\n250 STARTTLS\r\n", lambda _: b"220 go\r\n",
                                                     lambda _: POISON * 99, first=b"220 hi\r\n"), security="starttls"),
    mail("smtp", "a reset in the greeting", resetting(b"22")),
    mail("smtp", "half closed and silent", half_closed),
    mail("imap", "a greeting that is none", sending(b"* BYE " + LINE)),
    mail("imap", "no IMAP at all", sending(LINE)),
    mail("imap", "capabilities that are none", computing(lambda _: b"* CAPABILITY " + LINE + b"w BAD " + LINE,
                                                         first=b"* OK " + LINE)),
    mail("imap", "answers without end", flooding(b"* OK hi\r\n", b"* 1 EXISTS\r\n", after_request=False)),
    mail("pop3", "a greeting that is none", sending(b"-ERR " + LINE)),
    mail("pop3", "no POP3 at all", sending(LINE)),
    mail("pop3", "capabilities without end", flooding(b"+OK hi\r\n+OK\r\n", b"a\r\n", after_request=False)),
    mail("pop3", "a refusal that is none", computing(lambda _: b"-ERR\r\n", lambda _: b"-ERR " + LINE,
                                                     first=b"+OK " + LINE), assertions=value_is("another")),
]  # fmt: skip


def bound(code: int, words: bytes, tag: int = 0x61) -> Script:
    """A directory that answers every request with this result."""

    def reply(request: bytes) -> bytes:
        id_, *_ = ldap_messages.parse_message(request)
        body = ber.element(tag, ber.integer(code, ber.ENUMERATED), ber.octets(POISON), ber.octets(words))
        return ldap_messages.encode_message(id_, body)

    return computing(reply)


def nested(depth: int) -> bytes:
    """Sequences in one another."""
    found = b""
    for _ in range(depth):
        found = ber.element(ber.SEQUENCE, found)
    return found


LDAP = [
    kind("ldap", "a diagnosis that is none", bound(49, POISON)),
    kind("ldap", "a code of 200 bytes", bound(1 << 1_600, b"")),
    kind("ldap", "a code of 20,000 bytes", bound(1 << 160_000, b"")),
    kind("ldap", "a length of four gigabytes", replying(b"\x30\x84" + NO_LENGTH + b"a" * 99)),
    kind("ldap", "a length of no bytes", replying(b"\x30\x80" + bytes(99))),
    kind("ldap", "sequences 20,000 deep", replying(nested(20_000))),
    kind("ldap", "400,000 elements", replying(ber.element(ber.SEQUENCE, bytes([5, 0]) * 400_000))),
    kind("ldap", "answers to nobody without end", flooding(b"", ldap_messages.encode_message(99, bytes([0x78, 0])))),
    kind("ldap", "an answer to something else", bound(0, b"", 0x78)),
    kind("ldap", "mute", silent),
]

SSH_BANNER = b"SSH-2.0-" + POISON.replace(b"\0", b"") + b"\r\n"
KEYED = {"fingerprint": "SHA256:" + "A" * 43}
SSH = [
    kind("ssh", "a banner that is none", sending(POISON + b"\r\n")),
    kind("ssh", "a banner that is compared", sending(SSH_BANNER), assertions=value_is("1")),
    kind("ssh", "NUL in the banner", sending(b"SSH-2.0-a\0b\r\n"), assertions=value_is("1")),
    kind("ssh", "a banner without end", flooding(b"SSH-2.0-", after_request=False)),
    kind("ssh", "lines before the banner without end", flooding(b"", b"hello\r\n", after_request=False)),
    kind("ssh", "another version", sending(b"SSH-1.5-old\r\n"), **KEYED),
    kind("ssh", "a packet of four gigabytes", sending(b"SSH-2.0-a\r\n" + NO_LENGTH * 9, hanging=True), **KEYED),
    kind("ssh", "a farewell that is none", sending(
        b"SSH-2.0-a\r\n" + struct.pack(">IB", 60, 4) + b"\1" + struct.pack(">I", 11)
        + struct.pack(">I", len(POISON)) + POISON + bytes(60 - 14 - len(POISON)), hanging=True), **KEYED),
    kind("ssh", "random packets", sending(b"SSH-2.0-a\r\n" + bytes(range(256)) * 4), **KEYED),
    kind("ssh", "silence after the banner", sending(b"SSH-2.0-a\r\n", hanging=True), **KEYED),
]  # fmt: skip


def frame(type_: int, flags: int, stream: int, body: bytes) -> bytes:
    """An HTTP/2 frame."""
    return len(body).to_bytes(3, "big") + bytes([type_, flags]) + struct.pack(">I", stream) + body


def literal(name: bytes, value: bytes) -> bytes:
    """A header that HPACK leaves as it is."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def trailers(status: bytes, words: bytes) -> bytes:
    """An answer without a reply."""
    block = b"\x88" + literal(b"content-type", b"application/grpc")
    return block + literal(b"grpc-status", status) + literal(b"grpc-message", words)


SETTINGS = frame(4, 0, 0, b"")
OPENING = b"\x88" + literal(b"content-type", b"application/grpc")


def called(*frames: bytes) -> Script:
    """Answers a call with these frames, once its head is there."""
    return replying(SETTINGS, b"".join(frames), hanging=True)


GRPC = [
    kind("grpc", "a message that is none", called(
        frame(1, 5, 1, trailers(b"13", b"caf%E9 %00 %1B[31m %ED%A0%80 %E2%80%AE")))),
    kind("grpc", "raw bytes in a message", called(frame(1, 5, 1, trailers(b"13", POISON)))),
    kind("grpc", "a status nobody knows", called(frame(1, 5, 1, trailers(b"99999999999", b"")))),
    kind("grpc", "a frame of 16 MB", called(b"\xff\xff\xff\0\0\0\0\0\1" + b"a" * 999)),
    kind("grpc", "settings without end", flooding(SETTINGS, SETTINGS, after_request=False)),
    kind("grpc", "a reply that can't be read", called(
        frame(1, 4, 1, OPENING), frame(0, 0, 1, b"\0" + struct.pack(">I", 9) + b"\xff" * 9),
        frame(1, 5, 1, literal(b"grpc-status", b"0")))),
    kind("grpc", "a reply of four gigabytes", called(
        frame(1, 4, 1, OPENING), frame(0, 0, 1, b"\0" + NO_LENGTH + b"a" * 99))),
    kind("grpc", "HTTP/1.1", replying(b"HTTP/1.1 200 OK\r\nX: " + POISON + b"\r\n\r\n")),
    kind("grpc", "deaf", deaf),
]  # fmt: skip

TCP = [
    kind("tcp", "words that are none", sending(POISON), expect="needle"),
    kind("tcp", "a value that is none", sending(POISON), assertions=value_is("1")),
    kind("tcp", "words without end", flooding(after_request=False), expect="needle"),
    kind("tcp", "a reset", resetting(b"a"), send="hi\r\n", expect="needle"),
    kind("tcp", "half closed and silent", half_closed, send="hi\r\n", expect="needle"),
    kind("tcp", "a byte a second", dripping(after_request=False), expect="needle"),
]

KINDS = [*MAIL, *LDAP, *SSH, *GRPC, *TCP]
