"""Assertions on responses: patterns, JSON queries, headers; and the requests that are sent."""

import gzip
import json
import time

import pytest

from schema.assertions import Operator, Value
from schema.status import Status
from schema.targets import Http, Method
from schema.targets.http import Encoding, HeaderAssertion, JsonLanguage
from tests.actors.probes.target import answering, serving

UP, DOWN = Status.UP, Status.DOWN
HEALTH = {"db": {"ok": True, "lag": 3}, "queues": [{"name": "mail", "size": 7}, {"name": "sms", "size": 0}]}
JSONPATH, JMESPATH = JsonLanguage.JSONPATH, JsonLanguage.JMESPATH


async def outcome_of(check, body: bytes, *, headers: str = "", **fields):
    async with serving(answering(body, headers=headers)) as target:
        return await check(Http(url=target.url(), **fields), detailed=True)


@pytest.mark.parametrize(
    ("regex", "invert", "expected_status", "message"),
    [
        (r"gr(ü|ue)ße \d+", False, UP, ""),
        (r"(?i)GRÜSSE|GRÜßE", False, UP, ""),
        (r"^\d+$", False, DOWN, r"nothing in the body fits '^\\d+$'"),
        (r"\d{2}", True, DOWN, r"something in the body fits '\\d{2}'"),
        (r"error", True, UP, ""),
    ],
)
async def test_a_pattern_is_looked_for_in_the_body(check, regex, invert, expected_status, message):
    outcome = await outcome_of(check, "viele grüße 42".encode(), regex=regex, invert_regex=invert)
    assert (outcome.status, outcome.message) == (expected_status, message)


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
async def test_a_pathological_pattern_takes_linear_time(check, regex):
    began = time.process_time()
    outcome = await outcome_of(check, b"a" * 1_000_000 + b"!", regex=regex)
    assert outcome.status is DOWN
    assert time.process_time() - began < 3  # elsewhere: longer than the universe is old


@pytest.mark.parametrize(
    ("language", "query", "value"),
    [
        (JSONPATH, "$.db.lag", 3),
        (JSONPATH, "$.queues[?@.name == 'mail'].size", 7),
        (JSONPATH, "$.queues[?match(@.name, 's.s')].size", 0),
        (JSONPATH, "$..ok", True),
        (JMESPATH, "db.lag", 3),
        (JMESPATH, "queues[?name=='mail'] | [0].size", 7),
        (JMESPATH, "length(queues)", 2),
        (JMESPATH, "queues[].name", '["mail","sms"]'),
        (JSONPATH, "$.queues[*].name", "mail"),
    ],
)
async def test_the_hit_of_a_json_query_is_the_value(check, language, query, value):
    assertion = Value(expected=value if isinstance(value, str) else json.dumps(value))
    body, asserted = json.dumps(HEALTH).encode(), [assertion]
    outcome = await outcome_of(check, body, json_query=query, json_query_language=language, assertions=asserted)
    assert (outcome.status, outcome.message, outcome.detail["value"]) == (UP, "", value)


@pytest.mark.parametrize(("query", "expected_status"), [("$", UP), ("$.a", DOWN)])
async def test_a_document_that_is_a_text_is_one(check, query, expected_status):
    outcome = await outcome_of(check, b'"{ not JSON"', json_query=query, assertions=[Value(expected="{ not JSON")])
    assert outcome.status is expected_status


async def test_a_value_that_does_not_compare_is_down(check):
    less = [Value(operator=Operator.LESS, expected="5")]
    outcome = await outcome_of(check, json.dumps(HEALTH).encode(), json_query="$.queues[0].size", assertions=less)
    assert (outcome.status, outcome.message) == (DOWN, "'7' is not < '5'")


@pytest.mark.parametrize(
    ("language", "query", "body", "message"),
    [
        (JSONPATH, "$.gone", b"{}", "the JSON query finds nothing"),
        (JMESPATH, "gone", b"{}", "the JSON query finds nothing"),
        (JSONPATH, "$.a", b"<html>", "the body is not JSON"),
        (JSONPATH, "$.a", b"\xff\xfe", "the body is not JSON"),
        (JSONPATH, "$.a", b"[" * 500_000, "the body is nested too deep"),
        (JMESPATH, "a", b'{"a":' * 200_000, "the body is nested too deep"),
        (JSONPATH, "$..a", b"[" * 300 + b"]" * 300, "the body is nested too deep"),
        (JSONPATH, "$..[?@.b]..a", json.dumps([[[1] * 50] * 50] * 50).encode(), "the JSON query takes too long"),
        (JMESPATH, "[][].x", json.dumps([[1] * 500] * 500).encode(), "the JSON query takes too long"),
        (JMESPATH, "sum(@)", b'{"a": 1}', "the JSON query does not fit the body: "),
    ],
)
async def test_a_body_that_can_not_be_queried_is_down_soon(check, language, query, body, message):
    outcome = await outcome_of(check, body, json_query=query, json_query_language=language)
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)


async def test_names_as_long_as_the_body_cost_no_memory_per_node(check):
    body = json.dumps({"n" * 500_000: [1] * 90_000}).encode()
    outcome = await outcome_of(check, body, json_query="$..gone")
    assert (outcome.status, outcome.message) == (DOWN, "the JSON query finds nothing")


async def test_a_pattern_out_of_the_document_is_harmless(check):
    body = json.dumps([{"text": "a" * 100_000 + "!", "pattern": "(a+)+$"}]).encode()
    outcome = await outcome_of(check, body, json_query="$[?search(@.text, @.pattern)]")
    assert (outcome.status, outcome.message) == (DOWN, "the JSON query finds nothing")


@pytest.mark.parametrize("query", ["[@,@]" + " | [@,@][]" * 60, "[@,@]" + " | [@,@]" * 60 + " | to_string(@)"])
async def test_an_expression_that_grows_without_end_is_stopped(check, query):
    outcome = await outcome_of(check, b"[1]", json_query=query, json_query_language=JMESPATH)
    assert (outcome.status, outcome.message) == (DOWN, "the JSON query takes too long on this body")


async def test_a_bomb_is_unpacked_as_far_as_the_monitor_reads(check):
    bomb = gzip.compress(b'{"a":"' + b"a" * 50_000_000 + b'"}')
    headers = "Content-Encoding: gzip\r\n"
    outcome = await outcome_of(check, bomb, headers=headers, json_query="$.a", max_body_bytes=1_000)
    assert (outcome.status, outcome.message) == (DOWN, "the body is not JSON")


@pytest.mark.parametrize(
    ("operator", "expected", "message"),
    [
        (Operator.EQUALS, "web", ""),
        (Operator.CONTAINS, "we", ""),
        (Operator.DIFFERS, "web", "the header X-KIND, 'web', is not != 'web'"),
        (Operator.EQUALS, "app", "the header X-KIND, 'web', is not == 'app'"),
    ],
)
async def test_a_header_must_be_what_was_asserted(check, operator, expected, message):
    wanted = [HeaderAssertion(name="X-KIND", operator=operator, expected=expected)]
    outcome = await outcome_of(check, b"", headers="X-Kind: web\r\n", header_assertions=wanted)
    assert (outcome.status, outcome.message) == (DOWN if message else UP, message)


async def test_an_assertion_on_an_absent_header_fails(check):
    wanted = [HeaderAssertion(name="X-Gone", operator=Operator.DIFFERS, expected="1")]
    outcome = await outcome_of(check, b"", header_assertions=wanted)
    assert (outcome.status, outcome.message) == (DOWN, "the header X-Gone is not in the answer")


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        (Encoding.JSON, "application/json"),
        (Encoding.FORM, "application/x-www-form-urlencoded"),
        (Encoding.XML, "application/xml; charset=utf-8"),
        (Encoding.TEXT, "text/plain; charset=utf-8"),
    ],
)
async def test_an_encoding_sets_the_content_type(check, encoding, kind):
    async with serving(answering()) as target:
        await check(Http(url=target.url(), method=Method.POST, encoding=encoding, body="a=1"))
    assert f"Content-Type: {kind}\r\n" in target.heads[0]
