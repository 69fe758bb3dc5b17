"""Checks with one read-only query to a real MariaDB with TLS."""

import tracemalloc

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.probes.kit.values import MAX_CHARS
from actors.probes.types.mysql import query_statements
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Mysql
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import sending
from tests.actors.probes.server_processes import a_place, writable_by_unprivileged_user
from tests.actors.probes.servers_sql import mariadb

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
WHOLE = "x" * MAX_CHARS
SETUP = """CREATE DATABASE shop;
CREATE TABLE shop.jobs ENGINE=InnoDB SELECT 1 AS n UNION SELECT 2 UNION SELECT 3;
CREATE TABLE shop.settings (bits BIT(3)) ENGINE=InnoDB SELECT 5 AS bits;
CREATE SEQUENCE shop.numbers;
CREATE USER 'ada'@'127.0.0.1' IDENTIFIED BY 'se same/#';
GRANT ALL PRIVILEGES ON *.* TO 'ada'@'127.0.0.1';
"""


@pytest.fixture(scope="module")
def server():
    """A server with one table, one powerful user and TLS for those who want it; its port."""
    with mariadb(SETUP) as port:
        yield port


def asking(port, query="SELECT 1", **changes):
    usual = {"host": "127.0.0.1", "port": port, "username": "ada", "password": "se same/#", "database": "shop"}
    return Mysql(**{**usual, "query": query, **changes})


async def test_a_server_that_answers_is_up(check, server):
    outcome = await check(asking(server), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail["value"]) == (UP, ANSWERED, 1)
    assert "MariaDB" in outcome.detail["server_version"]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT count(*) FROM jobs", "3"),
        ("WITH few AS (SELECT n FROM jobs WHERE n < 3) SELECT max(n) FROM few", "2"),
        ("SHOW TABLES", "jobs"),
        ("DESCRIBE jobs", "n"),
        ("SELECT 1.50", "1.5"),
        ("SELECT 'it''s \\\\ ü'", "it's \\ ü"),
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
        ("SELECT 1; DELETE FROM jobs", "You have an error in your SQL syntax"),
        ("SELECT 1; COMMIT; DELETE FROM jobs", "You have an error in your SQL syntax"),
        ("EXPLAIN DELETE FROM nowhere", "Table 'shop.nowhere' doesn't exist"),
        ("SELECT nextval(numbers)", "Cannot execute statement in a READ ONLY transaction"),
        ("SELECT 'unended", "You have an error in your SQL syntax"),
    ],
)
async def test_writes_are_refused_with_the_server_s_message(check, server, query, message):
    outcome = await check(asking(server, query))
    assert outcome.status is DOWN
    assert outcome.message.startswith(f"the server answered: {message}"), outcome.message
    assert (await check(asking(server, "SELECT count(*) FROM jobs", assertions=[Value(expected="3")]))).status is UP


@pytest.mark.parametrize(
    ("query", "column", "how", "expected"),
    [
        ("SHOW STATUS LIKE 'Threads_connected'", "Value", ">=", "1"),
        ("SHOW STATUS LIKE 'Threads_connected'", "value", "<", "1000"),
        ("SHOW STATUS LIKE 'Threads_connected'", "", "==", "Threads_connected"),
        ("show variables like 'version_comment'", "Value", "!=", "0"),
        ("SELECT 1 AS one, 'x' AS two", "two", "==", "x"),
        ("SELECT 'text', '1.10' AS version", "version", "!=", "1.1"),
        ("SELECT bits FROM settings", "bits", "==", "5"),
        ("SELECT CAST('25:00:01' AS TIME) AS late", "late", "==", "25:00:01"),
        ("SELECT 9007199254740993 AS n", "n", ">", "9007199254740992"),
        ("SELECT 12345678901234567890.12 AS n", "", "==", "12345678901234567890.12"),
        ("SELECT 1 AS one FROM jobs WHERE FALSE", "one", "==", "null"),
    ],
)
async def test_a_column_is_chosen_by_its_name(check, server, query, column, how, expected):
    holds = [Value(operator=Operator(how), expected=expected)]
    outcome = await check(asking(server, query, column=column, assertions=holds))
    assert (outcome.status, outcome.message) == (UP, "")
    other = await check(asking(server, query, column="gone"))
    assert other.message.startswith("the answer has no column 'gone', it has: ")


@pytest.mark.parametrize("tls", [False, True])
async def test_a_field_of_any_size_costs_a_worker_no_more_than_a_megabyte(check, check_on_uvloop, server, tls):
    chosen = {"tls": tls, "ignore_tls_errors": tls}
    huge = asking(server, "SELECT repeat('x', 15000000), repeat('y', 15000000)", **chosen)
    fitting = asking(server, "SELECT repeat('x', 1000000)", assertions=[Value(expected=WHOLE)], **chosen)
    tracemalloc.start()
    for run in (check, check_on_uvloop):
        outcome = await run(huge)
        assert (outcome.status, outcome.message) == (DOWN, "the answer is longer than 1 MB")
        assert (await run(fitting)).status is UP
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


async def test_a_query_that_takes_too_long_is_down(check, server):
    assert (await check(asking(server, "SELECT sleep(30)"), timeout_ms=500)).status is DOWN


async def test_a_refusal_is_down_with_the_server_s_message(check, server):
    wrong = await check(asking(server, password="wrong"))
    absent = await check(asking(server, database="nowhere"))
    assert wrong.status is absent.status is DOWN
    assert wrong.message == "the server answered: Access denied for user 'ada'@'127.0.0.1' (using password: YES)"
    assert absent.message == "the server answered: Unknown database 'nowhere'"


async def test_a_closed_port_is_down(check, free_port):
    outcome = await check(asking(free_port))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, server):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    query, encrypted = "SHOW SESSION STATUS LIKE 'Ssl_version'", [Value(expected="Ssl_version")]
    trusted = await check(asking(server, query, tls=True, ca_cert=ca, assertions=encrypted))
    strange = await check(asking(server, tls=True))
    misnamed = await check(asking(server, tls=True, ca_cert=ca, host="localhost"))
    ignored = await check(asking(server, tls=True, ignore_tls_errors=True))
    assert [trusted.status, strange.status, misnamed.status, ignored.status] == [UP, DOWN, DOWN, UP]
    assert strange.message.startswith("certificate not valid: ")
    assert misnamed.message.startswith("certificate not valid: Hostname mismatch")


async def test_a_connection_string_sets_every_field(check, server):
    target = Mysql(connection_string=f"mysql://ada:se%20same%2F%23@127.0.0.1:{server}/shop", query="SHOW TABLES")
    assert (await check(target)).status is UP
    assert (await check(Mysql(connection_string="mysql://127.0.0.1/?ssl-mode=perhaps"))).status is UNKNOWN


def greeting(capabilities: int, plugin: bytes) -> bytes:
    """The greeting of a server, as in protocol 10."""
    low, high = capabilities.to_bytes(4, "little")[:2], capabilities.to_bytes(4, "little")[2:]
    body = b"\x0a8.0.1\0\1\0\0\0saltsalt\0" + low + b"\x2d\2\0" + high + b"\x15" + b"\0" * 10
    body += b"saltsaltsalt\0" + plugin + b"\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


async def test_a_password_is_not_sent_as_it_is(check):
    plain = 0x000A_A20D  # everything usual, without TLS
    switch = b"\xfemysql_clear_password\0"
    asks = greeting(plain, b"mysql_native_password"), len(switch).to_bytes(3, "little") + b"\2" + switch
    async with (
        sending(*asks, first=True) as port,
        sending(greeting(plain, b"mysql_clear_password"), first=True) as rude,
    ):
        clear, blunt = await check(asking(port)), await check(asking(rude))
        downgraded = await check(asking(port, tls=True, ignore_tls_errors=True))
    assert clear.message == blunt.message
    assert (clear.status, clear.message) == (DOWN, "the server wants the password unencrypted")
    assert (downgraded.status, downgraded.message) == (DOWN, "the server speaks no TLS")


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\1\0\0\0\x0a", b"\5\0\0\0\x0a8.0.", b"\xff\xff\xff\0", b""]
)
async def test_another_protocol_on_the_port_is_down(check, reply):
    async with sending(reply, then_close=True, first=True) as port:
        outcome = await check(asking(port))
    assert outcome.status is DOWN, outcome.message


async def test_a_silent_server_is_down(check):
    async with sending() as port:
        outcome = await check(asking(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


def test_both_families_get_the_limit_in_their_own_dialect():
    assert "max_statement_time = 1.5," in query_statements("SELECT 1", "10.11.6-MariaDB", 1_500)[0]
    assert "max_execution_time = 1500," in query_statements("SELECT 1", "8.4.0", 1_500)[0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM jobs", "must begin with"),
        ("CALL x()", "must begin with"),
        ("SET GLOBAL x = 1", "must begin with"),
        ("SELECT 1 INTO /**/ OUTFILE '/tmp/x'", "must not write a file"),
        ("SELECT 1 /*!50000 into dumpfile '/tmp/x' */", "must not write a file"),
    ],
)
def test_a_statement_that_does_not_read_is_not_taken(query, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"host": "a.test", "query": query}, Mysql)


async def test_the_client_certificate_is_sent_and_common_ciphers_are_offered(check):
    with a_place() as place:
        certificates.served(place)
        (place / "ca.pem").write_text(certificates.authority_pem())
        leaf = place / "leaf.pem"
        writable_by_unprivileged_user(place)
        options = (
            *(f"--ssl-cert={leaf}", f"--ssl-key={leaf}", f"--ssl-ca={place / 'ca.pem'}"),
            *("--tls-version=TLSv1.2", "--ssl-cipher=ECDHE-ECDSA-AES128-SHA"),
        )
        with mariadb("CREATE USER 'ada'@'127.0.0.1' IDENTIFIED BY 'sesame' REQUIRE X509;", *options) as port:
            cert, key = certificates.pair(place)
            target = Mysql(
                host="127.0.0.1",
                port=port,
                username="ada",
                password="sesame",
                tls=True,
                ca_cert=certificates.authority_pem(),
                query="SHOW SESSION STATUS LIKE 'Ssl_cipher'",
            )
            known = await check(msgspec.structs.replace(target, client_cert=cert, client_key=key))
            untrusted = await check(target)
    assert (known.status, untrusted.status) == (UP, DOWN), known.message
    assert untrusted.message.startswith("the server answered: Access denied")


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server,
        lambda port: asking(port, "SELECT n FROM jobs", assertions=DIFFERS),
    )
