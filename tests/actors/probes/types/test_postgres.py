"""Checks with one read-only query to a real PostgreSQL with TLS."""

import tracemalloc

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.probes.kit.values import MAX_CHARS
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Postgres, SslMode
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import sending
from tests.actors.probes.servers_sql import postgresql

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
PASSWORD = "se same/#"
WHOLE = "x" * MAX_CHARS
SETUP = "CREATE TABLE jobs AS SELECT generate_series(1, 3) AS n, 'open' AS state"


@pytest.fixture(scope="module")
def server():
    """A cluster with one table, password sign-in and TLS for those who want it; its port."""
    with postgresql("ada", PASSWORD, SETUP) as port:
        yield port


def asking(port, query="SELECT 1", **changes):
    usual = {"host": "127.0.0.1", "port": port, "username": "ada", "password": PASSWORD, "database": "postgres"}
    return Postgres(**{**usual, "query": query, **changes})


async def test_a_server_that_answers_is_up(check, server):
    outcome = await check(asking(server), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail["value"]) == (UP, ANSWERED, 1)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT count(*) FROM jobs", "3"),
        ("WITH open AS (SELECT state FROM jobs) SELECT state FROM open", "open"),
        ("TABLE jobs", "1"),
        ("SHOW transaction_read_only", "on"),
        ("SELECT 1.50::numeric", "1.5"),
        ("SELECT n FROM jobs WHERE n > 3", "null"),
        ("SELECT date '2026-01-02'", "2026-01-02"),
    ],
)
async def test_the_first_field_of_the_first_row_is_what_assertions_see(check, server, query, value):
    assert (await check(asking(server, query, assertions=[Value(expected=value)]))).status is UP
    assert (await check(asking(server, query, assertions=[Value(expected=f"{value}!")]))).status is DOWN


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("WITH gone AS (DELETE FROM jobs RETURNING n) SELECT * FROM gone", "cannot execute SELECT in a read-only"),
        ("EXPLAIN ANALYZE DELETE FROM jobs", "cannot execute DELETE in a read-only"),
        ("SELECT 1; DELETE FROM jobs", "cannot insert multiple commands into a prepared statement"),
        ("SELECT set_config('transaction_read_only', 'off', false), lo_create(0)", "transaction read-write mode must"),
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
    ],
)
async def test_writes_are_refused_with_the_server_s_message(check, server, query, message):
    outcome = await check(asking(server, query))
    assert outcome.status is DOWN
    assert outcome.message.startswith(f"the server answered: {message}"), outcome.message
    assert (await check(asking(server, "SELECT count(*) FROM jobs", assertions=[Value(expected="3")]))).status is UP


@pytest.mark.parametrize("query", ["SELECT lo_from_bytea(0, 'x')", "SELECT lo_create(0)"])
async def test_writes_made_by_functions_are_rolled_back(check, server, query):
    await check(asking(server, query))  # some versions refuse it
    left = asking(server, "SELECT count(*) FROM pg_largeobject_metadata", assertions=[Value(expected="0")])
    assert (await check(left)).status is UP


@pytest.mark.parametrize(
    ("query", "column", "how", "expected"),
    [
        ("SHOW max_connections", "", ">", "9"),
        ("SELECT 1 AS one, 'x' AS two", "two", "==", "x"),
        ("SELECT 1 AS one, 'x' AS two", "TWO", "==", "x"),
        ("SELECT '1.10' AS version", "version", "!=", "1.1"),
        ("SELECT 9007199254740993 AS n", "n", ">", "9007199254740992"),
        ("SELECT 0.1::float8 AS n", "n", "==", "0.1"),
        ("SELECT 'NaN'::float8 AS n", "n", "==", "NaN"),
        ("SELECT 'NaN'::numeric AS n", "n", "!=", "5"),
        ("SELECT 'Infinity'::float8 AS n", "n", ">", "5"),
        ("SELECT interval '25:00:01' AS late", "late", "==", "25:00:01"),
        ("SELECT array[1, 2] AS several", "several", "==", "[1,2]"),
        ("SELECT true AS yes, false AS no", "no", "==", "false"),
    ],
)
async def test_a_column_is_chosen_by_its_name(check, server, query, column, how, expected):
    holds = [Value(operator=Operator(how), expected=expected)]
    outcome = await check(asking(server, query, column=column, assertions=holds))
    assert (outcome.status, outcome.message) == (UP, "")
    other = await check(asking(server, query, column="gone"))
    assert other.message.startswith("the answer has no column 'gone', it has: ")


@pytest.mark.parametrize("mode", [SslMode.DISABLE, SslMode.PREFER, SslMode.REQUIRE])
async def test_a_field_of_any_size_costs_a_worker_no_more_than_a_megabyte(check, check_on_uvloop, server, mode):
    huge = asking(server, "SELECT repeat('x', 100000000)", sslmode=mode)
    fitting = asking(server, "SELECT repeat('x', 1000000)", sslmode=mode, assertions=[Value(expected=WHOLE)])
    tracemalloc.start()
    for run in (check, check_on_uvloop):
        outcome = await run(huge)
        assert (outcome.status, outcome.message) == (DOWN, "the answer is longer than 1 MB")
        assert (await run(fitting)).status is UP
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


async def test_a_server_with_an_endless_message_is_disconnected(check):
    flood = b"R\x7f\xff\xff\xff" + b"x" * 20_000_000
    async with sending(flood) as port:
        outcome = await check(asking(port, sslmode=SslMode.DISABLE))
    async with sending(b"N", flood) as port:
        unencrypted = await check(asking(port))
    assert outcome.message == unencrypted.message == "the answer is longer than 1 MB"
    assert outcome.status is unencrypted.status is DOWN


async def test_a_query_that_takes_too_long_is_down(check, server):
    outcome = await check(asking(server, "SELECT pg_sleep(30)"), timeout_ms=500)
    assert outcome.status is DOWN


async def test_a_wrong_password_is_down(check, server):
    outcome = await check(asking(server, password="wrong"))
    assert (outcome.status, outcome.message) == (
        DOWN,
        'the server answered: password authentication failed for user "ada"',
    )


async def test_a_closed_port_is_down(check, free_port):
    outcome = await check(asking(free_port))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


@pytest.mark.parametrize(
    ("mode", "trusting", "expected_status"),
    [
        (SslMode.DISABLE, False, UP),
        (SslMode.PREFER, False, UP),
        (SslMode.REQUIRE, False, UP),
        (SslMode.VERIFY_CA, True, UP),
        (SslMode.VERIFY_FULL, True, UP),
        (SslMode.VERIFY_FULL, False, DOWN),
    ],
)
async def test_tls_is_as_strict_as_configured(check, server, mode, trusting, expected_status):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode() if trusting else ""
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    encrypted = Value(expected="false" if mode is SslMode.DISABLE else "true")
    outcome = await check(asking(server, query, sslmode=mode, ca_cert=ca, assertions=[encrypted]))
    assert outcome.status is expected_status
    assert expected_status is UP or outcome.message.startswith("certificate not valid: ")


async def test_the_certificate_must_be_for_the_configured_name(check, server):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    chosen = {"host": "localhost", "ca_cert": ca}
    lenient = await check(asking(server, sslmode=SslMode.VERIFY_CA, **chosen))
    strict = await check(asking(server, sslmode=SslMode.VERIFY_FULL, **chosen))
    assert lenient.status is UP
    assert (strict.status, strict.message[:40]) == (DOWN, "certificate not valid: Hostname mismatch"[:40])


async def test_a_connection_string_sets_every_field(check, server):
    text = f"postgres://ada:se%20same%2F%23@127.0.0.1:{server}/postgres?sslmode="
    assert (await check(Postgres(connection_string=f"{text}require"))).status is UP
    assert (await check(Postgres(connection_string=f"{text}verify-full"))).status is DOWN
    assert (await check(Postgres(connection_string=f"{text}maybe"))).status is UNKNOWN


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N", b"R\0\0\0\1", b"R\0\0\0\x0c\0\0\0\x63\0\0\0\0"]
)
async def test_another_protocol_on_the_port_is_down(check, reply):
    async with sending(reply, then_close=True) as port:
        for mode in (SslMode.DISABLE, SslMode.PREFER, SslMode.REQUIRE):
            outcome = await check(asking(port, sslmode=mode), timeout_ms=1_000)
            assert outcome.status is DOWN, outcome.message


async def test_a_silent_server_is_down(check):
    async with sending() as port:
        outcome = await check(asking(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


@pytest.mark.parametrize(
    "query", ["DELETE FROM jobs", "COPY jobs TO PROGRAM 'id'", "DO $$ BEGIN END $$", "CALL x()", "/**/ DROP TABLE jobs"]
)
def test_a_statement_that_does_not_read_is_not_taken(query):
    with pytest.raises(msgspec.ValidationError, match="`query` must begin with"):
        msgspec.convert({"host": "a.test", "query": query}, Postgres)


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server,
        lambda port: asking(port, "SELECT n, state FROM jobs", assertions=DIFFERS),
    )
