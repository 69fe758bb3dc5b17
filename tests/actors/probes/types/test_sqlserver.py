"""Checks with one read-only query to a SQL Server. `servers_tds` explains why it is not a real one."""

import asyncio
import ssl
import struct
import warnings

import msgspec
import pytest

from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Sqlserver
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import flooding, sending, talking
from tests.actors.probes.servers_tds import (
    DONE,
    INTEGER,
    LONG_TEXT,
    PASSWORD,
    USERNAME,
    SqlServer,
    column,
    error,
    routed,
    served,
    short,
    welcome,
)

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
NOT_TDS = "the answer is not SQL Server's protocol"
CLOSED = "the connection was closed without an answer"


@pytest.fixture
async def server():
    """A server without TLS."""
    made = SqlServer()
    async with served(made):
        yield made


def asking(port, query="SELECT 1", **changes):
    usual = {"host": "127.0.0.1", "port": port, "username": USERNAME, "password": PASSWORD, "tls": False}
    return Sqlserver(**{**usual, "query": query, **changes})


async def test_a_server_that_answers_is_up(check, server):
    outcome = await check(asking(server.port), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED), outcome.message
    assert outcome.detail == {"value": 1, "server_version": "Microsoft SQL Server 16.0.4003"}
    assert server.users == [USERNAME]


async def test_a_query_runs_in_a_transaction_that_is_not_committed(check, server):
    await check(asking(server.port), timeout_ms=4_000)
    await server.lost.wait()
    prepared, query = server.batches
    assert prepared == (
        "SET ROWCOUNT 1; SET TEXTSIZE 65536; SET LOCK_TIMEOUT 4000; SET XACT_ABORT ON; BEGIN TRANSACTION"
    )
    assert query == "SELECT 1"


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT count(*) FROM jobs", "-3"),
        ("SELECT name FROM jobs", "it's"),
        ("SELECT price FROM jobs", "1.5"),
        ("SELECT day FROM jobs", "2026-01-02"),
        ("SELECT nothing FROM jobs", "null"),
        ("SELECT n FROM jobs WHERE n > 3", "null"),
        ("SELECT story FROM jobs", "ü" * 10_000),
    ],
)
async def test_the_first_field_of_the_first_row_is_what_assertions_see(check, server, query, value):
    outcome = await check(asking(server.port, query, assertions=[Value(expected=value)]))
    assert outcome.status is UP, outcome.message
    assert (await check(asking(server.port, query, assertions=[Value(expected=f"{value}!")]))).status is DOWN


@pytest.mark.parametrize(("name", "value"), [("", "3"), ("Name", "it's"), ("name", "it's"), ("Count", "3")])
async def test_a_column_is_chosen_by_its_name(check, server, name, value):
    query, is_it = "SELECT n, name FROM jobs", [Value(expected=value)]
    outcome = await check(asking(server.port, query, column=name, assertions=is_it))
    assert (outcome.status, outcome.message) == (UP, "")
    other = await check(asking(server.port, query, column="price"))
    assert (other.status, other.message) == (DOWN, "the answer has no column 'price', it has: Count, Name")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "the server answered: Login failed for user 'adä'."),
        ({"query": "SELECT n FROM nowhere"}, "the server answered: Invalid object name 'nowhere'."),
        ({"query": "SELECT 1/0"}, "the server answered: Divide by zero error encountered."),
        ({"tls": True}, "the server speaks no TLS"),
    ],
)
async def test_a_refusal_is_down_with_the_server_s_message(check, server, changes, message):
    outcome = await check(asking(server.port, **changes))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_query_that_takes_too_long_is_down_and_the_server_is_rid_of_us(check, server):
    outcome = await check(asking(server.port, "SELECT slow"), timeout_ms=2_000)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)
    await server.lost.wait()


async def test_a_check_that_is_cut_off_hangs_up(check, server):
    checking = asyncio.create_task(check(asking(server.port, "SELECT slow")))
    await server.requested.wait()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    await server.lost.wait()


def requiring(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificates.authority_pem())
    return context


def limited(context, *, to=ssl.TLSVersion.TLSv1_2):
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = context.maximum_version = to
    return context


async def test_a_certificate_of_ours_lets_us_in(check, tmp_path):
    secure = SqlServer(requiring(certificates.served(tmp_path)))
    cert, key = certificates.pair(tmp_path)
    ours = {"tls": True, "ca_cert": certificates.authority_pem(), "client_cert": cert, "client_key": key}
    async with served(secure) as port:
        known = await check(asking(port, **ours))
        untrusted = await check(asking(port, **ours | {"client_cert": "", "client_key": ""}))
    assert (known.status, untrusted.status) == (UP, DOWN), known.message


async def test_ciphers_of_other_clients_are_offered_and_old_tls_where_errors_are_ignored(check, tmp_path):
    usual = SqlServer(limited(certificates.served(tmp_path)))
    ancient = SqlServer(limited(certificates.served(tmp_path), to=ssl.TLSVersion.TLSv1))
    strict = {"tls": True, "ca_cert": certificates.authority_pem()}
    async with served(usual) as port, served(ancient) as old_port:
        outcomes = [await check(asking(one, **strict)) for one in (port, old_port)]
        outcomes.append(await check(asking(old_port, tls=True, ignore_tls_errors=True)))
    assert [one.status for one in outcomes] == [UP, DOWN, UP], [one.message for one in outcomes]


async def test_a_closed_port_is_down(check, free_port):
    assert (await check(asking(free_port))).message == "connection refused"


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, tmp_path):
    ca, secure = certificates.authority_pem(), SqlServer(certificates.served(tmp_path))
    async with served(secure) as port:
        trusted = await check(asking(port, "SELECT story FROM jobs", tls=True, ca_cert=ca), detailed=True)
        strange = await check(asking(port, tls=True))
        misnamed = await check(asking(port, tls=True, ca_cert=ca, host="localhost"))
        ignored = await check(asking(port, tls=True, ignore_tls_errors=True))
        open_ = await check(asking(port))
    assert [trusted.status, strange.status, misnamed.status, ignored.status] == [UP, DOWN, DOWN, UP], trusted.message
    assert strange.message.startswith("certificate not valid: ")
    assert misnamed.message.startswith("certificate not valid: Hostname mismatch")
    assert (open_.status, open_.message) == (DOWN, "the server wants TLS")


@pytest.mark.parametrize(
    "text",
    [
        'Server=tcp:127.0.0.1,{port};Database=shop;User Id=adä;Password="se same/#;\'ß€";Encrypt=False;',
        "data source = 127.0.0.1,{port} ; UID=adä; PWD='se same/#;''ß€'; encrypt=no; Connect Timeout=5",
        "sqlserver://adä:se%20same%2F%23;'%C3%9F€@127.0.0.1:{port}/shop?encrypt=false",
        "mssql://ad%C3%A4:se%20same%2F%23;'ß€@127.0.0.1:{port}/?Encrypt=no",
    ],
)
async def test_a_connection_string_sets_every_field(check, server, text):
    outcome = await check(Sqlserver(connection_string=text.format(port=server.port)))
    assert outcome.status is UP, outcome.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Server=db\\SQLEXPRESS;User Id=sa", "for a named instance, give its port"),
        ("User Id=sa", "must have a Server"),
        ("Server=db;Failover Person=x", "the unknown option 'Failover Person'; did you mean"),
        ("Server=db;;;", "must be pairs such as Server="),
        ("Server=db;Encrypt=strict", "must have an Encrypt other than Strict"),
        ("sqlserver://db/?jupiter=1", "the unknown option 'jupiter'"),
        ("Server=db;Encrypt=perhaps", "must have true or false as its encrypt"),
        ("Server=db;Integrated Security=SSPI", "must have a User Id and a Password"),
        ("http://db/", "must look like sqlserver://"),
        (f"Server=db;Password={'x' * 129}", "at most 128 characters"),
    ],
)
async def test_a_connection_string_that_can_not_be_read_is_unknown(check, text, message):
    outcome = await check(Sqlserver(connection_string=text))
    assert outcome.status is UNKNOWN
    assert message in outcome.message


async def test_a_server_may_redirect_once_within_the_egress_policy(check, server):
    async with served(SqlServer(login=routed("127.0.0.1", server.port))) as port:
        assert (await check(asking(port))).status is UP
        async with served(SqlServer(login=routed("127.0.0.1\\two", port))) as first:
            twice = await check(asking(first))
    async with served(SqlServer(login=routed("169.254.169.254", 80))) as port:
        refused = await check(asking(port))
    assert (twice.status, twice.message) == (DOWN, "the server sends us on to no place that can be asked")
    assert (refused.status, refused.message) == (UNKNOWN, "169.254.169.254 is a cloud metadata address: refused")


def reply(body, kind=4, last=1, size=None):
    return struct.pack(">BBHHBB", kind, last, len(body) + 8 if size is None else size, 0, 0, 0) + body


GREETING = reply(struct.pack(">BHHBB", 1, 6, 1, 255, 2))


HUGE_PACKETS = b"\xe3\x10\0\x04" + short("100000") + short("")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], NOT_TDS),
        ([b""], CLOSED),
        ([reply(b"", size=3)], NOT_TDS),
        ([reply(b"\1\0")], NOT_TDS),
        ([reply(b"\1\xff\xff\0\1\xff")], NOT_TDS),
        ([reply(b"\2" * 40)], NOT_TDS),
        ([GREETING[:9]], CLOSED),
        ([GREETING], CLOSED),
        ([GREETING, reply(b"\x99")], NOT_TDS),
        ([GREETING, reply(b"")], NOT_TDS),
        ([GREETING, reply(DONE)], NOT_TDS),
        ([GREETING, reply(b"\xaa\xff\x7f" + b"\xff" * 40)], NOT_TDS),
        ([GREETING, reply(HUGE_PACKETS + welcome())], NOT_TDS),
        ([GREETING, reply(b"\xa9\x9c\xff" * 50 + DONE)], NOT_TDS),
        ([GREETING, reply(welcome()), reply(error(3930, "No."))], NOT_TDS),
        ([GREETING, reply(welcome()), reply(DONE), reply(INTEGER + b"\xd1\xff")], NOT_TDS),
        ([GREETING, reply(welcome()), reply(DONE), reply(column(b"\x33"))], NOT_TDS),
        ([GREETING, reply(welcome()), reply(DONE), reply(column(b"\xe7\x40\x1f" + b"\0\0\0\0\4"))], NOT_TDS),
        ([GREETING, reply(welcome()), reply(DONE), reply(LONG_TEXT + b"\xd1" + b"\xfe" * 99)], NOT_TDS),
        ([GREETING, reply(b"\x81\0\0\xd1\xd1" + welcome())], NOT_TDS),
        ([GREETING, reply(b"a" * 60_000, last=0) * 17], "the answer is longer than 1 MB"),
        ([reply(struct.pack(">BHHBB", 1, 6, 1, 255, 3))], "the server wants TLS"),
    ],
)  # fmt: skip
async def test_a_hostile_server_is_down(check, reply, message):
    async with sending(*reply, then_close=True) as port:
        outcome = await check(asking(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_server_that_never_ends_is_cut_off(check):
    async with talking(flooding) as port:
        assert (await check(asking(port))).message == NOT_TDS
    async with sending(reply(struct.pack(">BHHBB", 1, 6, 1, 255, 1)), reply(b"no TLS at all", kind=18)) as port:
        assert (await check(asking(port, tls=True))).message.startswith("TLS failed: ")
    async with sending() as port:
        outcome = await check(asking(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM jobs", "must begin with SELECT or WITH"),
        ("EXEC sp_who", "must begin with"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT 1 DELETE FROM jobs", "must not have DELETE"),
        ("SELECT 1DELETE FROM jobs", "a space between a number and a word"),
        ("SELECT 1e5DELETE FROM jobs", "a space between"),
        ("SELECT 0xAUPDATE jobs", "a space between"),
        ("SELECT 1.DELETE FROM jobs", "a space between"),
        ("SELECT 'a'DELETE FROM jobs", "must not have DELETE"),
        ("SELECT [a]delete FROM jobs", "must not have DELETE"),
        ("WITH few AS (SELECT 1 AS n) DELETE FROM few", "must not have DELETE"),
        ("SELECT * INTO copy FROM jobs", "must not have INTO"),
        ("SELECT 1 COMMIT", "must not have COMMIT"),
        ("SELECT 1 SHUTDOWN", "must not have SHUTDOWN"),
        ("SELECT 1\nEXEC xp_cmdshell 'x'", "must not have EXEC"),
        ("SELECT * FROM OPENROWSET('x', 'y', 'z')", "must not have OPENROWSET"),
        ("SELECT NEXT\tVALUE FOR numbers", "next value of a sequence"),
        ("SELECT 1 -- '\nDELETE FROM jobs --'", "without comments"),
        ("SELECT 1 {call sp_who}", "without comments and braces"),
        ("SELECT 1 /* ' */ DELETE FROM jobs /* ' */", "without comments"),
        ("SELECT 'unended DELETE FROM jobs", "a quote that does not end"),
        ("SELECT [unended DELETE FROM jobs", "a quote that does not end"),
        ("SELECT straße FROM jobs", "in brackets"),
    ],
)
def test_a_statement_that_may_do_more_than_read_is_not_taken(query, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"host": "a.test", "query": query}, Sqlserver)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM jobs WHERE state = 'delete; -- it''s';",
        'WITH few AS (SELECT TOP 1 [update], "insert" FROM t WHERE n > 1.5e3) SELECT last_update FROM few',
        "SELECT @@VERSION, 0xAB, 1., col1update FROM #t ORDER BY n OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY",
        "SELECT CASE WHEN n = 1 THEN 2 ELSE 3 END FROM [straße]",
    ],
)
def test_a_statement_that_reads_is_taken(query):
    assert msgspec.convert({"host": "a.test", "query": query}, Sqlserver).query == query


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(check, server.port, lambda port: asking(port, assertions=DIFFERS))
