"""Checks of a domain's expiry, against an RDAP server and WHOIS servers on loopback."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from msgspec import ValidationError, convert

from actors.probes.protocols.registry_dates import parse_date
from actors.probes.protocols.registry_parsing import parse_rdap, parse_whois, referral_server
from bench.ports import unused_port
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Domain
from tests.actors.probes.scripted_server import flooding, saying, talking

UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
CARD = ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Names Ltd"]]]
NOT_THERE = "# the queried object does not exist\r\n"


def ends_in(days):
    return (datetime.now(UTC) + timedelta(days=days, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rdap_response(days):
    """The response of a registry's RDAP server."""
    return {
        "objectClassName": "domain",
        "status": ["active"],
        "events": [
            {"eventAction": "registration", "eventDate": "2001-01-01T00:00:00Z"},
            {"eventAction": "expiration", "eventDate": ends_in(days)},
        ],
        "entities": [{"roles": ["abuse"]}, {"roles": ["registrar"], "vcardArray": CARD}],
    }


@contextlib.asynccontextmanager
async def rdap(answer, status=200):
    """The address of an RDAP server that knows shop.example, and the requested paths."""
    port, paths = unused_port(), []
    address = f"http://127.0.0.1:{port}"

    async def respond(request):
        paths.append(request.path)
        if request.path == "/list.json":
            return web.json_response({"services": [[["test"], ["https://no/"]], [["example"], [f"{address}/r/"]]]})
        if request.path == "/moved/domain/shop.example":
            raise web.HTTPFound("/r/domain/shop.example")
        if not request.path.endswith("/shop.example"):
            raise web.HTTPNotFound
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=body, status=status, content_type="application/rdap+json")

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield address, paths
    finally:
        await runner.cleanup()


def asking(rdap_url="", **changes):
    return Domain(**{"domain": "shop.example", "rdap_url": rdap_url, "whois_server": None, **changes})


def by_whois(port, **changes):
    return asking(whois_server="127.0.0.1", whois_port=port, **changes)


@pytest.mark.parametrize(
    ("days", "expected_status", "message"),
    [
        (31, UP, ""),
        (30, DEGRADED, "the domain ends in 30 days"),
        (8, DEGRADED, "the domain ends in 8 days"),
        (7, DOWN, "the domain ends in 7 days"),
        (-3, DOWN, "the domain ended on "),
    ],
)
async def test_the_days_left_decide(check, days, expected_status, message):
    async with rdap(rdap_response(days)) as (url, _):
        outcome = await check(asking(url), detailed=True)
    assert outcome.status is expected_status
    assert outcome.message.startswith(message)
    assert (outcome.code == ANSWERED) is (expected_status is UP)
    facts = outcome.detail
    assert (facts["days_left"], facts["source"], facts["registrar"]) == (days, "rdap", "Names Ltd")


async def test_the_server_is_found_in_the_cached_list(check):
    async with rdap(rdap_response(90)) as (url, paths):
        first = await check(asking(f"{url}/list.json"))
        second = await check(asking(f"{url}/list.json"))
        strange = await check(asking(f"{url}/list.json", domain="shop.elsewhere"))
    assert (first.status, second.status) == (UP, UP)
    assert paths == ["/list.json", "/r/domain/shop.example", "/r/domain/shop.example"]
    assert (strange.status, strange.message.partition(": ")[2]) == (UNKNOWN, "no RDAP server is known for it")


async def test_a_redirect_is_followed_and_an_absent_domain_is_down(check):
    async with rdap(rdap_response(90)) as (url, _):
        moved = await check(asking(f"{url}/moved"))
        absent = await check(asking(url, domain="none.example"))
    assert moved.status is UP
    assert (absent.status, absent.message) == (DOWN, "the domain none.example is not registered")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({}, 200, "RDAP does not say when it ends"),
        ([1], 200, "RDAP does not say when it ends"),
        ({"events": [{"eventAction": "expiration", "eventDate": 7}], "entities": 3}, 200, "RDAP does not say"),
        (b"<html>", 200, "RDAP's answer can't be read"),
        (b"[" * 100_000, 200, "RDAP's answer can't be read"),
        ({}, 429, "RDAP answered 429"),
    ],
)
async def test_a_registry_without_a_date_is_unknown(check, answer, status, message):
    async with rdap(answer, status) as (url, _):
        outcome = await check(asking(url))
    assert outcome.status is UNKNOWN
    assert outcome.message.startswith(f"nobody says when shop.example ends: {message}")


async def test_whois_is_queried_when_rdap_has_no_date(check, free_port):
    message = f"Domain Name: SHOP.EXAMPLE\r\nRegistry Expiry Date: {ends_in(90)}\r\nRegistrar: Names Ltd\r\n"

    async def whois(reader, writer):
        queries.append(await reader.readline())
        writer.write(message.encode())

    queries: list[bytes] = []
    async with talking(whois) as port:
        outcome = await check(by_whois(port, rdap_url=f"http://127.0.0.1:{free_port}"), detailed=True)
    assert (outcome.status, outcome.message, queries) == (UP, "", [b"shop.example\r\n"])
    assert (outcome.detail["source"], outcome.detail["registrar"]) == ("whois", "Names Ltd")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_whois_is_read_in_utf_8_or_as_older_registries_write(check, encoding):
    async def whois(reader, writer):
        await reader.readline()
        writer.write("registrar: Grüße GmbH\r\nexpires: 2999-01-01\r\n".encode(encoding))

    async with talking(whois) as port:
        outcome = await check(by_whois(port, rdap_url=""), detailed=True)
    assert outcome.detail["registrar"] == "Grüße GmbH"


async def test_a_whois_server_may_refer_to_another_but_not_for_ever(check):
    answers = [b"refer: localhost\r\n", f"   Expiry Date: {ends_in(20)}\r\n".encode()]

    async def whois(reader, writer):
        await reader.readline()
        writer.write(answers.pop(0) if len(answers) > 1 or not answers else answers[0])

    async with talking(whois) as port:
        outcome = await check(by_whois(port))
    async with talking(saying(b"refer: 127.0.0.1\r\n")) as port:
        circle = await check(by_whois(port))
    assert (outcome.status, outcome.message) == (DEGRADED, "the domain ends in 20 days")
    assert circle.status is UNKNOWN


@pytest.mark.parametrize(
    ("words", "expected_status", "message"),
    [
        (NOT_THERE.encode(), DOWN, "the domain shop.example is not registered"),
        (b'No match for "SHOP.EXAMPLE".\r\n', DOWN, "the domain shop.example is not registered"),
        (b"", UNKNOWN, "nobody says when shop.example ends: WHOIS does not say when it ends"),
        (b"\xff\x00expires: soon\r\n", UNKNOWN, "nobody says when shop.example ends: WHOIS does not say when it ends"),
        (b"refer: 169.254.169.254\r\n", UNKNOWN, "169.254.169.254 is a cloud metadata address: refused"),
    ],
)
async def test_other_replies_of_whois_are_distinguished(check, words, expected_status, message):
    async def whois(reader, writer):
        await reader.readline()
        writer.write(words)

    async with talking(whois) as port:
        outcome = await check(by_whois(port))
    assert (outcome.status, outcome.message) == (expected_status, message)


async def test_servers_that_flood_hang_or_are_not_there_are_unknown(check, free_port):
    async with talking(flooding) as port:
        flooded = await check(by_whois(port))
    async with talking(saying(b"", then_hanging=True)) as port:
        hanging = await check(by_whois(port, rdap_url=f"http://127.0.0.1:{port}"), timeout_ms=300)
    absent = await check(by_whois(free_port, rdap_url=f"http://127.0.0.1:{free_port}"))
    assert {flooded.status, hanging.status, absent.status} == {UNKNOWN}
    assert hanging.message == "nobody says when shop.example ends: no answer; no answer"
    assert absent.message.count("could not be asked: connection refused") == 2


async def test_the_days_are_a_value_to_compare(check):
    longer = Value(operator=Operator.MORE, expected="365")
    async with rdap(rdap_response(90)) as (url, _):
        outcome = await check(asking(url, assertions=[longer]))
    assert (outcome.status, outcome.message) == (DOWN, "'90' is not > '365'")


@pytest.mark.parametrize(
    "line",
    [
        "   Registry Expiry Date: 2027-03-04T00:00:00Z",
        "Registrar Registration Expiration Date: 2027-03-04T00:00:00.0Z",
        "Expiry date:  04-Mar-2027",
        "expires: 2027-03-04",
        "expires............: 04.03.2027",
        "paid-till: 2027-03-04T03:00:00+03:00",
        "[Expires on]                    2027/03/04",
        "Expiration Time: 2027-03-04 00:00:00",
        "expire: 20270304",
        "renewal date: 2027.03.04 00:00:00",
        "Valid Until: March 04 2027",
    ],
)
def test_registries_write_dates_in_many_ways(line):
    found = parse_whois(f"% terms of use: 2001-01-01\r\ncreated: 2000-01-01\r\n{line}\r\n")
    assert found is not None
    assert found.ends_at == datetime(2027, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "never", "2027-13-45", "99/99/9999", "x" * 10_000])
def test_invalid_dates_are_parsed_as_none(text):
    assert parse_date(text) is None


def test_a_date_beyond_the_last_one_is_its_day():
    assert parse_date("9999-12-31T23:59:59-23:00") == datetime(9999, 12, 31, tzinfo=UTC)


def test_prose_without_end_is_read_as_far_as_it_goes():
    assert parse_whois("expires:" + " " * 1_000_000) is None
    assert referral_server(":" * 1_000_000) == ""
    assert parse_rdap({"events": [1, {"eventAction": []}], "status": 4}) is None


@pytest.mark.parametrize(
    "wrong",
    [{"domain": "example"}, {"domain": "a.b\r\nc"}, {"rdap_url": "", "whois_server": None}, {"rdap_url": "ftp://x"}],
)
def test_an_unusable_target_is_refused(wrong):
    with pytest.raises(ValidationError):
        convert({"type": "domain", "domain": "shop.example", **wrong}, Domain)
