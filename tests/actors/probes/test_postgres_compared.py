"""Connection strings and queries with oddities: the output of `psql`, and the result of a check."""

import os
from typing import NamedTuple

import pytest

from tests import oddities
from tests.actors.probes.compared import checked, commanded
from tests.actors.probes.server_processes import program
from tests.actors.probes.servers_sql import postgresql

PAGE = "postgres"
WHO, PLACE = "ada:sesame", "127.0.0.1:{port}"
USUAL = f"postgresql://{WHO}@{PLACE}/postgres"
SETUP = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.carts AS SELECT generate_series(1, 3) AS n",
    "CREATE USER \"jürgen\" PASSWORD 'pässwört€'",
    "CREATE USER odd PASSWORD 'a/b?c#d@e'",
    'CREATE DATABASE "bücher"',
)


class Case(NamedTuple):
    """A connection string, with `{port}` in it, and a query."""

    text: str
    query: str = "SELECT 1"


CASES = {
    "everything in an address": Case(USUAL),
    "the scheme `postgres://`": Case(USUAL.replace("postgresql", "postgres")),
    "the scheme `POSTGRESQL://`": Case(USUAL.replace("postgresql", "POSTGRESQL")),
    "the scheme `postgresql+asyncpg://`": Case(USUAL.replace("postgresql", "postgresql+asyncpg")),
    "`key=value` instead of an address": Case("host=127.0.0.1 port={port} user=ada password=sesame dbname=postgres"),
    "host, port, user and password among the options": Case(
        "postgresql:///postgres?host=127.0.0.1&port={port}&user=ada&password=sesame"
    ),
    "two hosts": Case(f"postgresql://{WHO}@{PLACE},{PLACE}/postgres"),
    "a port that is none": Case(f"postgresql://{WHO}@127.0.0.1:99999/postgres"),
    "a wrong password": Case(f"postgresql://ada:wrong@{PLACE}/postgres"),
    "no password": Case(f"postgresql://ada@{PLACE}/postgres"),
    "an unknown user": Case(f"postgresql://nobody:sesame@{PLACE}/postgres"),
    "an unknown database": Case(f"postgresql://{WHO}@{PLACE}/nowhere"),
    "no database, and none called like the user": Case(f"postgresql://{WHO}@{PLACE}"),
    "a name and a password beyond ASCII": Case(f"postgresql://jürgen:pässwört€@{PLACE}/postgres"),
    "the same, percent-encoded": Case(
        f"postgresql://j%C3%BCrgen:p%C3%A4ssw%C3%B6rt%E2%82%AC@{PLACE}/postgres", "SELECT current_user"
    ),
    "a database beyond ASCII": Case(f"postgresql://{WHO}@{PLACE}/b%C3%BCcher", "SELECT current_database()"),
    "a password with `/?#@`, percent-encoded": Case(f"postgresql://odd:a%2Fb%3Fc%23d%40e@{PLACE}/postgres"),
    "a password with a plain `?`": Case(f"postgresql://odd:a%2Fb?c%23d%40e@{PLACE}/postgres"),
    "a password with a plain `@`": Case(f"postgresql://odd:a%2Fb%3Fc%23d@e@{PLACE}/postgres"),
    "a percent sign that is no code": Case(f"postgresql://ada:%zz@{PLACE}/postgres"),
    "`sslmode=disable`": Case(f"{USUAL}?sslmode=disable"),
    "`sslmode=allow`": Case(f"{USUAL}?sslmode=allow"),
    "`sslmode=prefer`": Case(f"{USUAL}?sslmode=prefer"),
    "`sslmode=require`": Case(f"{USUAL}?sslmode=require"),
    "`sslmode=verify-ca`, and nobody to trust": Case(f"{USUAL}?sslmode=verify-ca"),
    "`sslmode=verify-full`, and nobody to trust": Case(f"{USUAL}?sslmode=verify-full"),
    "`sslmode=perhaps`": Case(f"{USUAL}?sslmode=perhaps"),
    "`ssl=true`, as JDBC has it": Case(f"{USUAL}?ssl=true"),
    "`sslmode=require&channel_binding=require`": Case(f"{USUAL}?sslmode=require&channel_binding=require"),
    "`sslmode=disable&channel_binding=require`": Case(f"{USUAL}?sslmode=disable&channel_binding=require"),
    "`connect_timeout=10&application_name=x`": Case(f"{USUAL}?connect_timeout=10&application_name=x"),
    "`Connect_Timeout=10`": Case(f"{USUAL}?Connect_Timeout=10"),
    "`client_encoding=LATIN1`": Case(f"{USUAL}?client_encoding=LATIN1", "SELECT 'a'"),
    "`target_session_attrs=read-write`": Case(f"{USUAL}?target_session_attrs=read-write"),
    "`target_session_attrs=read-only`, of a server that writes": Case(f"{USUAL}?target_session_attrs=read-only"),
    "`options=-csearch_path=shop`": Case(f"{USUAL}?options=-csearch_path%3Dshop", "SELECT count(*) FROM carts"),
    "`schema=shop`, as Prisma has it": Case(f"{USUAL}?schema=shop", "SELECT count(*) FROM carts"),
    "`pgbouncer=true`": Case(f"{USUAL}?pgbouncer=true"),
    "an option that there is not": Case(f"{USUAL}?nonsense=1"),
    "a query that finds no row": Case(USUAL, "SELECT n FROM shop.carts WHERE n > 3"),
    "a query of two statements": Case(USUAL, "SELECT 1; SELECT 2"),
    "a query that can't be read": Case(USUAL, "SELECT 'a"),
    "a query of a table that is not there": Case(USUAL, "SELECT * FROM nowhere"),
    "null": Case(USUAL, "SELECT NULL"),
    "a truth": Case(USUAL, "SELECT true"),
    "a decimal": Case(USUAL, "SELECT 1.50"),
    "a decimal that is not a number": Case(USUAL, "SELECT 'NaN'::numeric"),
    "a large number": Case(USUAL, "SELECT 9007199254740993"),
    "letters beyond ASCII": Case(USUAL, "SELECT 'ü€'"),
    "a date": Case(USUAL, "SELECT date '2026-01-02'"),
    "a date without an end": Case(USUAL, "SELECT 'infinity'::date"),
    "an interval": Case(USUAL, "SELECT interval '90 minutes'"),
    "a list": Case(USUAL, "SELECT ARRAY[1, 2]"),
    "JSON": Case(USUAL, "SELECT '{\"a\": 1}'::jsonb"),
    "a UUID": Case(USUAL, "SELECT '00000000-0000-4000-8000-000000000000'::uuid"),
    "an address": Case(USUAL, "SELECT inet '10.0.0.1'"),
}


@pytest.fixture(scope="module")
def server():
    """The port of a server with TLS that knows `ada`, `jürgen` and `odd`."""
    with postgresql("ada", "sesame", *SETUP) as port:
        yield port


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_psql(check, server, tmp_path, what):
    case, psql = CASES[what], program("psql", "postgresql-client")
    text = case.text.replace("{port}", str(server))
    command = [psql, "-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-c", case.query, text]
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(tmp_path), "PGPASSFILE": os.devnull}
    environ |= {"PGHOST": "127.0.0.1", "PGPORT": "1"}  # where it goes with a string that it takes for a database's name
    ours = await checked(check, "postgres", {"connection_string": text, "query": case.query}, port=str(server))
    theirs = commanded(command, environ, port=str(server), home=str(tmp_path))
    oddities.compare(PAGE, what, theirs, ours)


def test_the_page_has_these_rows_and_no_others():
    assert list(oddities.rows(PAGE)) == list(CASES)
