"""Sign-ins, options and queries with oddities: the output of `mariadb`, and the result of a check."""

import os
from typing import NamedTuple

import pytest

from tests import oddities
from tests.actors.probes.compared import checked, commanded
from tests.actors.probes.server_processes import program
from tests.actors.probes.servers_sql import mariadb

PAGE = "mysql"
SETUP = """CREATE DATABASE shop;
CREATE DATABASE `bücher`;
CREATE TABLE shop.jobs ENGINE=InnoDB SELECT 1 AS n UNION SELECT 2 UNION SELECT 3;
CREATE USER 'ada'@'127.0.0.1' IDENTIFIED BY 'sesame';
CREATE USER 'jürgen'@'127.0.0.1' IDENTIFIED BY 'pässwört';
CREATE USER 'euro'@'127.0.0.1' IDENTIFIED BY 'p€ss';
CREATE USER 'odd'@'127.0.0.1' IDENTIFIED BY 'a/b?c#d@e';
CREATE USER 'open'@'127.0.0.1';
CREATE USER 'secret'@'127.0.0.1' IDENTIFIED BY 'sesame' REQUIRE SSL;
CREATE USER 'locked'@'127.0.0.1' IDENTIFIED BY 'sesame' ACCOUNT LOCK;
CREATE USER 'late'@'127.0.0.1' IDENTIFIED BY 'sesame' PASSWORD EXPIRE;
GRANT SELECT ON *.* TO 'ada'@'127.0.0.1';
GRANT SELECT ON *.* TO 'jürgen'@'127.0.0.1';
"""


class Case(NamedTuple):
    """User, password, database and options as the command line has them; the same as a connection string; a query."""

    flags: tuple[str, ...]
    text: str
    query: str = "SELECT 1"


def asking(query: str) -> Case:
    return Case(("-uada", "-psesame", "--skip-ssl", "shop"), "ada:sesame@{place}/shop", query)


def with_options(flags: str, query: str, who: str = "ada") -> Case:
    return Case((f"-u{who}", "-psesame", *flags.split()), f"{who}:sesame@{{place}}/?{query}")


CASES = {
    "a name, a password and a database": asking("SELECT database()"),
    "a wrong password": Case(("-uada", "-pwrong"), "ada:wrong@{place}/"),
    "no password, where there is one": Case(("-uada", "--skip-password"), "ada@{place}/"),
    "no password, where there is none": Case(("-uopen", "--skip-password"), "open@{place}/"),
    "an unknown user": Case(("-unobody", "-psesame"), "nobody:sesame@{place}/"),
    "an unknown database": Case(("-uada", "-psesame", "nowhere"), "ada:sesame@{place}/nowhere"),
    "a database that the user may not see": Case(("-ueuro", "-pp€ss", "shop"), "euro:p€ss@{place}/shop"),
    "a database beyond ASCII": Case(("-uada", "-psesame", "bücher"), "ada:sesame@{place}/bücher", "SELECT database()"),
    "the password `pässwört`": Case(("-ujürgen", "-ppässwört"), "jürgen:pässwört@{place}/"),
    "the same, percent-encoded": Case(("-ujürgen", "-ppässwört"), "j%C3%BCrgen:p%C3%A4ssw%C3%B6rt@{place}/"),
    "the password `p€ss`": Case(("-ueuro", "-pp€ss"), "euro:p€ss@{place}/"),
    "a password with `/?#@`": Case(("-uodd", "-pa/b?c#d@e"), "odd:a%2Fb%3Fc%23d%40e@{place}/"),
    "a user that must come by TLS, without it": Case(("-usecret", "-psesame", "--skip-ssl"), "secret:sesame@{place}/"),
    "the same with `ssl-mode=PREFERRED`": with_options("--ssl", "ssl-mode=PREFERRED", "secret"),
    "the same with `ssl-mode=REQUIRED`": with_options("--ssl", "ssl-mode=REQUIRED", "secret"),
    "`ssl-mode=DISABLED`": with_options("--skip-ssl", "ssl-mode=DISABLED"),
    "`ssl-mode=REQUIRED`, and nobody to trust": with_options("--ssl", "ssl-mode=REQUIRED"),
    "`ssl-mode=VERIFY_IDENTITY`, and nobody to trust": with_options(
        "--ssl --ssl-verify-server-cert", "ssl-mode=VERIFY_IDENTITY"
    ),
    "`ssl=true`, and nobody to trust": with_options("--ssl --ssl-verify-server-cert", "ssl=true"),
    "`tls=skip-verify`": with_options("--ssl", "tls=skip-verify"),
    "`ssl-mode=perhaps`": with_options("--ssl-mode=perhaps", "ssl-mode=perhaps"),
    "a character set": with_options("--default-character-set=latin1", "charset=latin1"),
    "a limit on the time to connect": with_options("--connect-timeout=10", "connect_timeout=10"),
    "an option that there is not": with_options("--nonsense=1", "nonsense=1"),
    "a user that is locked": Case(("-ulocked", "-psesame"), "locked:sesame@{place}/"),
    "a user whose password has expired": Case(("-ulate", "-psesame"), "late:sesame@{place}/"),
    "a query that finds no row": asking("SELECT n FROM jobs WHERE n > 3"),
    "a query of two statements": asking("SELECT 1; SELECT 2"),
    "a query that ends with a semicolon": asking("SELECT 1;"),
    "a query that can't be read": asking("SELECT 'a"),
    "a query of a table that is not there": asking("SELECT * FROM nowhere"),
    "a list of tables": asking("SHOW TABLES"),
    "null": asking("SELECT NULL"),
    "a truth": asking("SELECT TRUE"),
    "a decimal": asking("SELECT 1.50"),
    "a large number": asking("SELECT 9007199254740993"),
    "a number without a sign": asking("SELECT CAST(18446744073709551615 AS UNSIGNED)"),
    "letters beyond ASCII": asking("SELECT 'ü€'"),
    "letters of four bytes": asking("SELECT '💩'"),
    "a date": asking("SELECT date '2026-01-02'"),
    "a date that is none": asking("SELECT CAST('0000-00-00' AS date)"),
    "a span of time": asking("SELECT time '90:00:00'"),
    "JSON": asking("SELECT JSON_OBJECT('a', 1)"),
}


@pytest.fixture(scope="module")
def server():
    """The port of a MariaDB with TLS and these users."""
    with mariadb(SETUP) as port:
        yield port


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_mariadb(check, server, what):
    case, client = CASES[what], program("mariadb", "mariadb-client")
    usual = ["--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{server}", "-N", "-B"]
    charset = [] if any("character-set" in one for one in case.flags) else ["--default-character-set=utf8mb4"]
    command = [client, *usual, *charset, *case.flags, "-e", case.query]
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    text = f"mysql://{case.text.replace('{place}', f'127.0.0.1:{server}')}"
    ours = await checked(check, "mysql", {"connection_string": text, "query": case.query}, port=str(server))
    theirs = commanded(command, environ, port=str(server)).replace(f"{client}: ", "mariadb: ")
    oddities.compare(PAGE, what, theirs, ours)


def test_the_page_has_these_rows_and_no_others():
    assert list(oddities.rows(PAGE)) == list(CASES)
