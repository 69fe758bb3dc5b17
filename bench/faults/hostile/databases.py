"""Hostile databases and brokers: each breaks its own protocol, or puts invalid text into its messages."""

import struct
from collections.abc import Callable
from typing import Any

from bench.faults.hostile.scripts import (
    NO_LENGTH,
    POISON,
    Kind,
    Script,
    computing,
    dripping,
    flooding,
    local,
    replying,
    resetting,
    sending,
    value_is,
)

NO_NUL = POISON.replace(b"\0", b"")


def kind(type_: str, name: str, script: Script, **more: Any) -> Kind:
    """A server at a port."""
    return Kind(name=f"{type_}: {name}", type=type_, config=local(**more), script=script)


REDIS = [
    kind("redis", "an error that is none", replying(b"-ERR " + POISON + b"\r\n")),
    kind("redis", "a length of four gigabytes", replying(b"$4294967295\r\na")),
    kind("redis", "a list of four billion", replying(b"*4294967295\r\n")),
    kind("redis", "lists in lists in lists", replying(b"*1\r\n" * 20_000)),
    kind("redis", "a number of 4,000 digits", replying(b":" + b"9" * 4_000 + b"\r\n"), assertions=value_is("1")),
    kind("redis", "a number of 60,000 digits", replying(b":" + b"9" * 60_000 + b"\r\n"), assertions=value_is("1")),
    kind("redis", "a line without end", flooding(b"+")),
    kind("redis", "a line of a byte a second", dripping(b"+")),
    kind("redis", "a value that is none", replying(b"$%d\r\n%b\r\n" % (len(POISON), POISON)), command="GET a",
         assertions=value_is("1")),
    kind("redis", "a reset in the reply", resetting(b"$9\r\nab")),
]  # fmt: skip

SEVEN = "a secret"
MYSQL_ERROR = b"\xff\x10\x04#HY000" + POISON
MYSQL_HELLO = (
    b"\x0a" + NO_NUL + b"\0" + b"\1\0\0\0" + b"12345678\0" + b"\xff\xf7\x21\2\0\xff\x81\x15" + b"\0" * 10
    + b"123456789012\0" + b"mysql_native_password\0"
)  # fmt: skip


def mysql_packet(body: bytes, number: int = 0) -> bytes:
    """A packet with its length in three bytes."""
    return len(body).to_bytes(3, "little") + bytes([number]) + body


MYSQL = [
    kind("mysql", "an error that is none", sending(mysql_packet(MYSQL_ERROR))),
    kind("mysql", "an error after the sign-in", computing(lambda _: mysql_packet(MYSQL_ERROR, 2),
                                                         first=mysql_packet(MYSQL_HELLO))),
    kind("mysql", "a packet of all sizes", flooding(b"\xff\xff\xff\0", after_request=False)),
    kind("mysql", "a hello that breaks off", sending(mysql_packet(b"\x0a8.0"))),
    kind("mysql", "empty packets without end", flooding(mysql_packet(MYSQL_HELLO), mysql_packet(b"", 2),
                                                        after_request=False)),
    kind("mysql", "silence after a hello", computing(first=mysql_packet(MYSQL_HELLO.replace(NO_NUL, b"8.0.1")))),
    kind("mysql", "zeros", sending(bytes(4_096))),
]  # fmt: skip


def postgres_error(words: bytes) -> bytes:
    """An error with that message."""
    body = b"SFATAL\0VFATAL\0C28000\0M" + words + b"\0D" + words + b"\0H" + words + b"\0\0"
    return b"E" + struct.pack(">i", 4 + len(body)) + body


def authentication(step: int, words: bytes) -> bytes:
    """A step of the sign-in."""
    return b"R" + struct.pack(">ii", 8 + len(words), step) + words


OPEN = {"sslmode": "disable"}
POSTGRES = [
    kind("postgres", "an error that is none", replying(postgres_error(NO_NUL)), **OPEN),
    kind("postgres", "an error with control characters", replying(postgres_error(b"no \x1b[31m \xe2\x80\xae")), **OPEN),
    kind("postgres", "NUL in an error's fields", replying(postgres_error(POISON)), **OPEN),
    kind("postgres", "a length of four gigabytes", replying(b"E" + NO_LENGTH + b"a"), **OPEN),
    kind("postgres", "a sign-in nobody knows", replying(b"R\0\0\0\x08\xff\xff\xff\xff"), **OPEN),
    kind("postgres", "settings without end", flooding(b"R\0\0\0\x08\0\0\0\0", b"S\0\0\0\x0aa\0b\0\0\0"), **OPEN),
    kind(
        "postgres",
        "two billion rounds of hashing",
        computing(
            lambda _: authentication(10, b"SCRAM-SHA-256\0\0"),
            lambda request: authentication(11, b"r=" + request.split(b"r=")[-1] + b"x,s=c2FsdA==,i=2000000000"),
        ),
        **OPEN,
        username="ada",
        password="secret",
    ),
    kind("postgres", "half of TLS", replying(b"S" + POISON)),
    kind("postgres", "letters", sending(POISON, hanging=True), **OPEN),
]


def mongo(body: Callable[[], bytes]) -> Script:
    """Answers a command with a document."""

    def reply(request: bytes) -> bytes:
        message = bytes(5) + body()
        return struct.pack("<iiii", 16 + len(message), 1, int.from_bytes(request[4:8], "little"), 2013) + message

    return computing(reply)


def document(*fields: bytes) -> bytes:
    """A BSON document."""
    inner = b"".join(fields) + b"\0"
    return struct.pack("<i", 4 + len(inner)) + inner


def text_field(name: bytes, words: bytes) -> bytes:
    """A BSON string."""
    return b"\2" + name + b"\0" + struct.pack("<i", len(words) + 1) + words + b"\0"


def nested(depth: int) -> bytes:
    """Documents in one another."""
    found = document()
    for _ in range(depth):
        found = document(b"\3a\0" + found)
    return found


NOT_OK = b"\1ok\0" + struct.pack("<d", 0.0)
IS_OK = b"\1ok\0" + struct.pack("<d", 1.0)
NUL_WORDS = "caf\u00e9 \0 \x1b[31m \u202e".encode()
MONGODB = [
    kind("mongodb", "an error that is none", mongo(lambda: document(NOT_OK, text_field(b"errmsg", POISON)))),
    kind("mongodb", "an error with NUL", mongo(lambda: document(NOT_OK, text_field(b"errmsg", NUL_WORDS)))),
    kind("mongodb", "documents 900 deep", mongo(lambda: document(NOT_OK, b"\3errmsg\0" + nested(900)))),
    kind("mongodb", "documents 15,000 deep", mongo(lambda: document(NOT_OK, b"\3errmsg\0" + nested(15_000)))),
    kind("mongodb", "a length of four gigabytes", replying(NO_LENGTH * 4)),
    kind("mongodb", "a document of all sizes", mongo(lambda: NO_LENGTH + bytes(99))),
    kind("mongodb", "no number", mongo(lambda: document(IS_OK, b"\1n\0" + struct.pack("<d", float("nan")))),
         assertions=value_is("1")),
    kind("mongodb", "a date out of all time", mongo(lambda: document(IS_OK, b"\x09n\0" + struct.pack("<q", 2**62))),
         assertions=value_is("1")),
]  # fmt: skip


def kafka(*bodies: bytes) -> Script:
    """Answers request after request, each with its own number."""

    def replier(body: bytes) -> Callable[[bytes], bytes]:
        return lambda request: struct.pack(">i", 4 + len(body)) + request[8:12] + body

    return computing(*map(replier, bodies))


def broker(name: str, script: Script, **more: Any) -> Kind:
    """A Kafka broker."""
    config = {"topic": "watch", "message": "tick", **more}
    return Kind(
        name=f"kafka-producer: {name}",
        type="kafka-producer",
        config=lambda port: {"brokers": [f"127.0.0.1:{port}"], **config},
        script=script,
    )


def words(text: bytes) -> bytes:
    """Kafka's string."""
    return struct.pack(">h", len(text)) + text


SPOKEN = struct.pack(">hi", 0, 4) + b"".join(struct.pack(">hhh", key, 0, 9) for key in (0, 3, 17, 36))
SIGNED = {"username": "me", "password": SEVEN}
LEADER = words(NUL_WORDS) + struct.pack(">i", 70_000) + words(b"")
TOPIC = (
    struct.pack(">ii", 0, 1) + struct.pack(">i", 1) + LEADER + words(NUL_WORDS) + struct.pack(">ii", 1, 1)
    + struct.pack(">h", 0) + words(NUL_WORDS) + b"\0" + struct.pack(">i", 1)
    + struct.pack(">hiiii", 0, 0, 1, 0, 0)
)  # fmt: skip
KAFKA = [
    broker("mechanisms that are none", kafka(SPOKEN, struct.pack(">hi", 33, 1) + words(NUL_WORDS)), **SIGNED),
    broker("mechanisms that are not UTF-8", kafka(SPOKEN, struct.pack(">hi", 33, 1) + words(POISON)), **SIGNED),
    broker("a refusal that is none", kafka(SPOKEN, struct.pack(">hi", 0, 1) + words(b"PLAIN"),
                                           struct.pack(">h", 58) + words(NUL_WORDS) + struct.pack(">i", 0)), **SIGNED),
    broker("a leader at no host", kafka(SPOKEN, TOPIC)),
    broker("a length of four gigabytes", replying(NO_LENGTH + b"a" * 99)),
    broker("two billion topics", kafka(SPOKEN, struct.pack(">ii", 0, 2**31 - 1) + bytes(99))),
    broker("160,000 requests that it knows", kafka(struct.pack(">hi", 0, 160_000) + bytes(960_000))),
    broker("a topic 99 times", kafka(SPOKEN, struct.pack(">ii", 0, 0) + words(b"") + struct.pack(">ii", 0, 99))),
]  # fmt: skip

ACCEPTED, SUBSCRIBED = b"\x20\2\0\0", b"\x90\3\0\1\0"


def published(topic: bytes, payload: bytes) -> bytes:
    """A message."""
    body = struct.pack(">H", len(topic)) + topic + payload
    return b"\x30" + bytes([len(body)]) + body


MQTT = [
    kind("mqtt", "a message that is none", replying(ACCEPTED, SUBSCRIBED + published(POISON, POISON)), topic="a",
         assertions=value_is("1")),
    kind("mqtt", "a reason nobody knows", replying(b"\x20\2\0\xff"), topic="a"),
    kind("mqtt", "a length without end", replying(b"\x20" + b"\xff" * 99), topic="a"),
    kind("mqtt", "a message of 256 MB", replying(ACCEPTED, SUBSCRIBED + b"\x30\xff\xff\xff\x7f"), topic="a"),
    kind("mqtt", "packets that mean nothing, without end", flooding(ACCEPTED, b"\xd0\0"), topic="a"),
    kind("mqtt", "JSON that is none", replying(ACCEPTED, SUBSCRIBED + published(b"a", b'{"b": 1' + b"0" * 99 + b"}")),
         topic="a", path="b", assertions=value_is("1")),
    kind("mqtt", "letters", sending(POISON), topic="a"),
]  # fmt: skip


def amqp(class_: int, method: int, arguments: bytes) -> bytes:
    """A frame with one method."""
    body = struct.pack(">HH", class_, method) + arguments
    return b"\1\0\0" + struct.pack(">I", len(body)) + body + b"\xce"


def closing(text: bytes) -> bytes:
    """The server's last word."""
    return amqp(10, 50, struct.pack(">H", 403) + bytes([len(text)]) + text + bytes(4))


def tables(depth: int) -> bytes:
    """Field tables in one another."""
    found = b""
    for _ in range(depth):
        inner = b"\1aF" + struct.pack(">I", len(found)) + found
        found = inner
    return struct.pack(">I", len(found)) + found


START = amqp(10, 10, b"\0\x09" + tables(0) + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US")
AMQP = [
    kind("rabbitmq", "a close that is none", replying(closing(POISON)), **SIGNED),
    kind("rabbitmq", "a close with NUL", replying(START, closing(NUL_WORDS)), **SIGNED),
    kind("rabbitmq", "a frame of four gigabytes", replying(b"\1\0\0" + NO_LENGTH + b"a" * 99), **SIGNED),
    kind("rabbitmq", "tables 5,000 deep", replying(amqp(10, 10, b"\0\x09" + tables(5_000) + bytes(8))), **SIGNED),
    kind("rabbitmq", "a method nobody knows", replying(amqp(999, 999, POISON)), **SIGNED),
]


def tds(body: bytes) -> bytes:
    """A message of one packet."""
    return struct.pack(">BBHHBB", 4, 1, 8 + len(body), 0, 0, 0) + body


def tds_error(text: bytes) -> bytes:
    """An error's token, and the end."""
    inner = struct.pack("<iBB", 18_456, 1, 14) + struct.pack("<H", len(text) // 2) + text + b"\0\0" + bytes(4)
    return b"\xaa" + struct.pack("<H", len(inner)) + inner + b"\xfd\2\0" + bytes(10)


UNENCRYPTED = b"\0\0\x0b\0\6\1\0\x11\0\1\xff" + bytes(6) + b"\2"
SQLSERVER = [
    kind("sqlserver", "an error that is none", replying(tds(UNENCRYPTED), tds(tds_error(
        "caf\u00e9 \0 \x1b[31m \u202e".encode("utf-16-le")))), tls=False, **SIGNED),
    kind("sqlserver", "an error with half a surrogate pair", replying(tds(UNENCRYPTED), tds(tds_error(
        b"\x00\xd8a\0\0\0"))), tls=False, **SIGNED),
    kind("sqlserver", "a packet of no size", replying(struct.pack(">BBHHBB", 4, 1, 0, 0, 0, 0)), **SIGNED),
    kind("sqlserver", "packets without end", flooding(b"", struct.pack(">BBHHBB", 4, 0, 9, 0, 0, 0) + b"a"), **SIGNED),
    kind("sqlserver", "tokens nobody knows", replying(tds(UNENCRYPTED), tds(b"\xee" * 4_000)), tls=False, **SIGNED),
    kind("sqlserver", "TLS inside that is none", replying(tds(UNENCRYPTED[:-1] + b"\1"), tds(POISON)), **SIGNED),
]  # fmt: skip

KINDS = [*REDIS, *MYSQL, *POSTGRES, *MONGODB, *KAFKA, *MQTT, *AMQP, *SQLSERVER]
