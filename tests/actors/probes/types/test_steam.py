"""Checks of game servers, against a responder on loopback with Valve's protocol."""

import a2s
import pytest
from hypothesis import given, strategies

from actors.probes.kit.result import TargetFailed
from actors.probes.types import steam
from bench.ports import unused_port
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Steam
from tests.actors.probes.scripted_server import datagrams

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
ALONE = b"\xff\xff\xff\xff"
ASKING = ALONE + b"TSource Engine Query\0"
CHALLENGE = ALONE + b"A\x01\x02\x03\x04"
SOURCE = ALONE + b"I\x11Our shop\0de_dust2\0csgo\0Counter-Strike\0\xda\x02\x07\x10\x01dl\0\x011.38\0\x80\x87\x69"
GOLDSRC = ALONE + b"m10.0.0.1:27015\0Old shop\0crossfire\0valve\0Half-Life\0\x03\x08\x2fdl\x01\0\x01\x00"


def responder(reply=SOURCE, *, challenging=True):
    """The replies of a server: a challenge first, as all of Valve's do since 2020."""

    def answers(data):
        if challenging and data == ASKING:
            return [CHALLENGE]
        return [reply] if data == (ASKING + CHALLENGE[5:] if challenging else ASKING) else []

    return answers


def at(port, **fields):
    return Steam(host="127.0.0.1", port=port, **fields)


@pytest.mark.parametrize("challenging", [True, False])
async def test_a_server_that_answers_is_up_and_its_players_are_the_value(check, challenging):
    few = Value(operator=Operator.LESS, expected="8")
    fewer = Value(operator=Operator.LESS, expected="7")
    async with datagrams(responder(challenging=challenging)) as port:
        outcome = await check(at(port, map="de_dust2", assertions=[few]), detailed=True)
        full = await check(at(port, assertions=[fewer]))
    assert (outcome.status, outcome.code, full.status) == (UP, ANSWERED, DOWN)
    assert (outcome.detail["name"], outcome.detail["players"], outcome.detail["max_players"]) == ("Our shop", 7, 16)


async def test_the_library_reads_our_responder_as_we_do():
    async with datagrams(responder()) as port:
        info = await a2s.ainfo(("127.0.0.1", port), timeout=5)
    assert (info.server_name, info.map_name, info.player_count) == ("Our shop", "de_dust2", 7)


async def test_an_old_server_is_read_too(check):
    async with datagrams(responder(GOLDSRC, challenging=False)) as port:
        outcome = await check(at(port), detailed=True)
    assert (outcome.status, outcome.detail["name"], outcome.detail["players"]) == (UP, "Old shop", 3)


async def test_another_map_is_down(check):
    async with datagrams(responder()) as port:
        outcome = await check(at(port, map="de_nuke"))
    assert (outcome.status, outcome.message) == (DOWN, "the map is 'de_dust2', expected 'de_nuke'")
    assert outcome.detail["map"] == "de_dust2"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (lambda _: [], "no answer to 3 requests"),
        (lambda data: [data], "no answer to 3 requests"),
        (lambda _: [b"", ALONE, b"\xfe\xff\xff\xff" + b"\xff" * 1_000], "no answer to 3 requests"),
        (lambda _: [CHALLENGE] * 100, "no answer to 3 requests"),
        (lambda _: [CHALLENGE[:-1]], "the answer can't be read: a challenge that is cut off"),
        (lambda _: [SOURCE[:20]], "the answer can't be read: it is cut off, or something else"),
        (lambda _: [ALONE + b"I" + b"a" * 1_300], "the answer can't be read: it is cut off, or something else"),
    ],
)
async def test_an_answer_that_is_none_is_down(check, answers, message):
    async with datagrams(answers) as port:
        outcome = await check(at(port), timeout_ms=1_500)
    assert (outcome.status, outcome.message) == (DOWN, message)
    assert (outcome.code == NO_ANSWER) == message.startswith("no answer")


@given(strategies.binary(max_size=80), strategies.sampled_from([0x49, 0x6D]))
def test_any_bytes_are_read_or_a_failure(data, kind):
    known, reader = steam._parse_head(ALONE + bytes((kind,)) + data)
    assert known == kind
    try:
        steam.info_facts(steam._parse_info(kind, reader))
    except TargetFailed:
        return


async def test_a_server_that_is_not_there_is_down(check):
    outcome = await check(at(unused_port()))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_metadata_is_refused(check):
    assert (await check(Steam(host="169.254.169.254"))).status is UNKNOWN
