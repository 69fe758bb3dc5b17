"""A check does not block the event loop, however much a target sends and whatever a monitor searches for in it."""

import asyncio
import gc
import gzip
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import thread_time
from typing import Any

import brotli
import msgspec
import pytest
from backports import zstd

from actors.probes.kit import redaction
from actors.probes.kit.result import ProbeResult
from actors.probes.net.dns_messages import MAX_RECORDS, FinalDnsError, parse_message
from actors.probes.protocols import ber
from app import gc_tuning
from app.api.http import bodies
from app.domain.connections import ado, mongodb, options, uris
from app.domain.parsing import hosts, ldap_filter, untrusted_json
from app.domain.validation import json_query, regex
from app.errors import Malformed
from schema.monitors import MonitorPatch
from schema.status import Status
from schema.targets import Http, Mongodb, Website
from schema.targets.http import JsonLanguage
from tests import make
from tests.actors.probes.target import answering, serving

MEGABYTE = 1_048_576
HELD_S = 0.05  # of a core like the one that takes YARDSTICK_S for the yardstick
YARDSTICK_S = 0.02
JSONPATH, JMESPATH = JsonLanguage.JSONPATH, JsonLanguage.JMESPATH

BIGS = b"[" + b"1e300," * (MEGABYTE // 6 - 2) + b"1]"
LISTS = b"[" + b"[]," * (MEGABYTE // 3 - 2) + b"1]"
SOME_LISTS = b"[" + b"[]," * 100_000 + b"1]"
TWICE = "|".join(["[@,@]"] * 40)  # the same list twice, in the same list twice, and so on: 2^40 comparisons


def slowness() -> float:
    """How many times slower than an everyday core this one is just now."""
    began = thread_time()
    sum(range(2_000_000))
    return max(1.0, (thread_time() - began) / YARDSTICK_S)


@contextmanager
def garbage_of_a_worker() -> Iterator[None]:
    """Collected as our processes do: without a look through all that tests have imported."""
    before = gc.get_threshold()
    gc_tuning.freeze_and_enable()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Watchdog:
    """The most processor time that one callback took on this loop."""

    longest_s = 0.0


@asynccontextmanager
async def watchdog() -> AsyncIterator[Watchdog]:
    """Runs on every turn of the loop. Processor time of this thread: a busy machine does not count."""
    dog = Watchdog()

    async def watch() -> None:
        before = thread_time()
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            dog.longest_s, before = max(dog.longest_s, now - before), now

    with garbage_of_a_worker():
        watching = asyncio.create_task(watch())
        try:
            await asyncio.sleep(0)
            yield dog
            await asyncio.sleep(0)
        finally:
            watching.cancel()


async def assert_briefly_blocked(work: Callable[[], Awaitable[object]]) -> None:
    slow = slowness()
    async with watchdog() as dog:
        await work()
    assert dog.longest_s < HELD_S * max(slow, slowness())


HTTP: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "a pattern that fits nothing": (b"a" * 60_000, "", {"regex": "(a?){1000}b"}),
    "a pattern that is too large for the text": (b"a" * MEGABYTE, "", {"regex": "(.*a){1000}b"}),
    "a pattern as large as is kept": (b"a" * 200_000, "", {"regex": "(a?){95}b"}),
    "a pattern out of the document": (
        b'{"s":"' + b"a" * 900_000 + b'","p":"(a?){1000}b"}', "", {"json_query": "$[?search($.s,$.p)]"},
    ),
    "thousands of patterns out of the document": (
        b"[" + b",".join(b'"(a?){%d}b"' % n for n in range(900)) * 60 + b"]", "",
        {"json_query": "$[?search('aaaaaaaaaaaaaaaaaaaaaa', @)]"},
    ),
    "the whole document for each element": (
        b'{"x":' + SOME_LISTS + b',"y":' + SOME_LISTS + b',"z":[' + b"1," * 50_000 + b"1]}", "",
        {"json_query": "$.z[?$.x == $.y && @ == 2]"},
    ),
    "a comparison that doubles": (
        b"{}", "", {"json_query": f"[{TWICE},{TWICE}] | [0] == [1]", "json_query_language": JMESPATH},
    ),
    "sorting": (
        b"[" + b",".join(b'"%x"' % (n * 7919 % 99_991) for n in range(99_991)) + b"]", "",
        {"json_query": "sort(@)[0]", "json_query_language": JMESPATH},
    ),
    "every step": (LISTS, "", {"json_query": "$..[?@..a]"}),
    "numbers that are slow to read": (BIGS, "", {"json_query": "$[99]"}),
    "lists in a list": (LISTS, "", {"json_query": "$[99]"}),
    "a charset without these characters": (
        b"\xff" * MEGABYTE, "Content-Type: text/plain; charset=iso-8859-8\r\n", {"keyword": "x"},
    ),
    "halves of characters": (
        b"\x00\xd8" * (MEGABYTE // 2), "Content-Type: text/plain; charset=utf-16\r\n", {"keyword": "x"},
    ),
    "empty packings in a row": (
        gzip.compress(b"") * (MEGABYTE // 20), "Content-Encoding: gzip\r\n", {"keyword": "x"},
    ),
    "a page of brotli": (
        brotli.compress(bytes(50 * MEGABYTE), quality=4), "Content-Encoding: br\r\n", {"keyword": "x"},
    ),
    "frames of zstd in a row": (
        zstd.compress(b"") * (MEGABYTE // 10), "Content-Encoding: zstd\r\n", {"keyword": "x"},
    ),
    "a packing in a packing": (
        gzip.compress(gzip.compress(bytes(20 * MEGABYTE), 1) * 50), "Content-Encoding: gzip, gzip\r\n",
        {"keyword": "x"},
    ),
    "rows that only Windows has": (
        b"\xad\xa1\xfd\xff" * (MEGABYTE // 4), "Content-Type: text/plain; charset=euc-jp\r\n", {"keyword": "x"},
    ),
    "letters that are none": (
        b"\xff" * MEGABYTE, "Content-Type: text/plain; charset=big5\r\n", {"keyword": "x"},
    ),
    "a page that does not say what it is": (("é" * 500_000 + "\0").encode() + b"\xff", "", {"keyword": "x"}),
    "tags without end": (b"charset" + b"<a b='" * 170_000, "Content-Type: text/html\r\n", {"keyword": "x"}),
    "JSON in wide characters": (
        ("[" + "1e300," * (MEGABYTE // 12 - 2) + "1]").encode("utf-16"), "", {"json_query": "$[99]"},
    ),
    "a key with short lines": (
        b"a" * 500, "", {"keyword": "x", "tls_ca": "\n".join(f"{n:04d}" for n in range(12_000))[:60_000]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HTTP)
async def test_no_http_answer_holds_the_loop(check, name):
    body, headers, fields = HTTP[name]
    own_way = "tls_ca" in fields  # such a check never gets as far as the target: the failure is redacted all the same
    async with serving(answering(body, headers=headers)) as target:
        url = "http://127.0.0.1:1" if own_way else target.url()
        await assert_briefly_blocked(lambda: check(Http(url=url, **fields), timeout_ms=60_000, detailed=True))


async def test_no_page_holds_the_loop(check):
    odd = "Content-Type: text/html; charset=iso-8859-8\r\n"
    async with serving(answering(b"\xff" * MEGABYTE, headers=odd)) as target:
        site = Website(url=target.url(), expected_content="x")
        await assert_briefly_blocked(lambda: check(site, timeout_ms=60_000, detailed=True))


async def test_work_that_outlasts_its_check_is_our_failure(check):
    async with serving(answering(b"a" * 180_000)) as target:
        outcome = await check(Http(url=target.url(), regex="(a?){1000}b"), timeout_ms=1_000)
    assert (outcome.status, outcome.message) == (Status.UNKNOWN, "what came could not be looked through within 1 s")


async def test_a_pattern_that_is_too_large_for_what_came_is_our_failure(check):
    async with serving(answering(b"a" * MEGABYTE)) as target:
        outcome = await check(Http(url=target.url(), regex="(a?){1000}b"))
    assert outcome.status is Status.UNKNOWN
    assert outcome.message.startswith("the configuration can't be used: `regex` is too expensive for `max_body_bytes`")


def dns_answer(n_records: int) -> bytes:
    """Records whose owners and values are names of 118 labels each: 20 bytes, milliseconds."""
    wire = bytearray(
        struct.pack("!6H", 1, 0x8180, 1, n_records, 0, 0) + b"\x07example\x03com\x00" + struct.pack("!2H", 1, 1)
    )
    long = len(wire)
    wire += b"\x01a" * 118 + b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + b"abcd"
    for number in range(n_records - 1):
        letters = bytes((2, 97 + number % 26, 97 + number // 26 % 26))
        wire += letters + struct.pack("!H", 0xC000 | long + 2) + struct.pack("!2HIH", 2, 1, 60, 2)
        wire += struct.pack("!H", 0xC000 | long)
    return bytes(wire)


async def test_no_answer_of_a_name_server_holds_the_loop():
    await assert_briefly_blocked(lambda: parse_message(dns_answer(MAX_RECORDS)))
    with pytest.raises(FinalDnsError, match="more than 256 records"):
        await parse_message(dns_answer(3_000))


def refused(read: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        read()


KEY = "\n".join(f"{n:05d}" for n in range(10_000))
HOARD = Http(url="http://a.test", headers={f"h{n}": f"{n:03d}" * 1_300 for n in range(50)}, tls_ca=KEY)
CHATTY = ProbeResult(Status.DOWN, 0, "m" * 500, {"headers": {f"n{n}": "v" * 300 for n in range(40)}})

AT_ONCE: dict[str, Callable[[], object]] = {
    "BER of many elements": lambda: refused(lambda: ber.parse_elements(b"\x05\x00" * 500_000), ValueError),
    "BER of many numbers": lambda: refused(lambda: ber.parse_oid(b"\x81" * 500_000 + b"\x01"), ValueError),
    "a huge number in BER": lambda: refused(lambda: ber.parse_integer(b"\x01" * 1_000_000), ValueError),
    "a connection string of blanks": lambda: refused(lambda: ado.parse_ado_string(" " * 4_000 + "x", 1433), ValueError),
    "an address of a database without an end": lambda: refused(
        lambda: uris.parse_uri("mysql://" + "a@:" * 1_360 + "x", ("mysql",), options.MYSQL, 1), ValueError
    ),
    "an address of many hosts": lambda: refused(
        lambda: mongodb.mongodb_cluster(Mongodb(connection_string="mongodb://" + "a," * 2_000 + "[")), ValueError
    ),
    "a filter of many parts": lambda: refused(
        lambda: ldap_filter.parse_filter("(&" + "(a=*b*)" * 290 + "("), ValueError
    ),
    "a filter of blanks": lambda: refused(lambda: ldap_filter.parse_filter("(& " + " " * 2_040 + "x"), ValueError),
    "a host of many letters": lambda: refused(lambda: hosts.wire_host("ü." * 126), ValueError),
    "a body of numbers that are slow to read": lambda: refused(
        lambda: bodies.decode_body(b'{"config":{"a":' + b"[" + b"1e300," * 160_000 + b"1]}}", MonitorPatch), Malformed
    ),
    "a pattern to compile": lambda: refused(lambda: regex.compile_pattern(r"(?i)" + r"\pL{40}" * 20), ValueError),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_synchronous_parsing_of_hostile_input_is_fast(name):
    with garbage_of_a_worker():
        slow, began = slowness(), thread_time()
        AT_ONCE[name]()
        took_s = thread_time() - began
    assert took_s < HELD_S * 2 * max(slow, slowness())


async def test_a_hoard_of_secrets_is_masked_without_holding_the_loop():
    await assert_briefly_blocked(lambda: redaction.redact_result(CHATTY, make.snapshot(HOARD)))


POWERS = ["[1e30]", "[1e400]", '["\\ud800"]', '["\\ud800", 1e30]', "[NaN]", "[1e30", "1e-30", '{"a":1e22,"a":2}']


@pytest.mark.parametrize("text", POWERS)
def test_numbers_with_powers_are_read_as_all_others(text):
    """The two readers agree."""
    try:
        expected = msgspec.json.decode(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  # whatever its words are
            untrusted_json.decode(text)
        return
    assert untrusted_json.decode(text) == expected


def test_steps_are_counted_for_every_query():
    with pytest.raises(json_query.BudgetExceeded):
        json_query.find_first(JSONPATH, "$[?search($.s,$.p)]", '{"s":"' + "a" * 900_000 + '","p":"(a?){500}b"}')
