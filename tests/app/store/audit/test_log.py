"""The audit log only grows, and changes made outside the application are detected."""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import asyncpg
import pytest

from app import db
from app.processes import child
from app.security.secrets import audit_mac, sealing
from app.store.audit import chain
from app.store.audit.log import AuditQuery, count, list_page, record_entry, stream_entries
from schema.audit import AuditOutcome, NewAuditEntry
from tests.conftest import ON_POSTGRES

REFUSED = (sqlite3.IntegrityError, asyncpg.RaiseError)
DAY_MS = 86_400_000
ROOT = Path(__file__).parents[4]


@pytest.fixture
async def log(store):
    sealing.prepare(store)
    return store


async def write(*actions: str, **fields) -> None:
    for action in actions:
        await record_entry(NewAuditEntry(action=action, outcome=AuditOutcome.DONE, **fields))


async def unguarded(statement: str) -> None:
    """What somebody does who owns the database: the triggers go first."""
    names = ["audit_append_only"] if ON_POSTGRES else ["audit_no_update", "audit_no_delete"]
    rows = [] if ON_POSTGRES else await db.rows("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
    if ON_POSTGRES:
        await db.rows("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
    else:
        for name in names:
            await db.rows(f"DROP TRIGGER {name}")
    await db.rows(statement)
    if ON_POSTGRES:
        await db.rows("ALTER TABLE audit ENABLE TRIGGER audit_append_only")
    for row in rows:
        await db.rows(row["sql"])


async def test_an_unchanged_log_is_whole(log) -> None:
    assert (await chain.verify()).error == ""
    await write("monitor.created", "monitor.updated", "monitor.deleted")
    found = await chain.verify()
    assert (found.count, found.broken_at, found.error, found.head.seq) == (3, None, "", 3)


async def test_entries_written_at_once_are_one_chain(log) -> None:
    await asyncio.gather(*(write(f"monitor.{number}") for number in range(20)))
    found = await chain.verify()
    assert (found.count, found.error) == (20, "")


async def test_entries_of_several_processes_are_one_chain(log, environ, tmp_path) -> None:
    ours = child.environment({"PATH": os.environ["PATH"], **environ})
    command = (sys.executable, "-m", "tests.app.store.writer", "12")
    others = [await asyncio.create_subprocess_exec(*command, env=ours, cwd=ROOT) for _ in range(2)]
    await write(*(f"monitor.{number}" for number in range(12)))
    assert [await one.wait() for one in others] == [0, 0]
    found = await chain.verify()
    assert (found.count, found.error) == (36, "")


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve' WHERE seq = 1", "DELETE FROM audit"])
async def test_the_database_itself_refuses_a_change(log, statement: str) -> None:
    await write("monitor.created")
    with pytest.raises(REFUSED, match="append-only"):
        await db.rows(statement)


@pytest.mark.parametrize(
    ("statement", "broken_at", "flaw"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 3", 3, "an entry was changed"),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 1", 1, "an entry was changed"),
        ("UPDATE audit SET hash = 'f' WHERE seq = 2", 2, "an entry was changed"),
        ("DELETE FROM audit WHERE seq = 2", 2, "an entry is missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "an entry is missing"),
        ("DELETE FROM audit WHERE seq > 3", 4, "the newest entries are missing"),
        ("UPDATE audit_chain SET seq = 3 WHERE name = 'head'", 0, "the mark 'head' was not set by Watchkeeper"),
        (
            "DELETE FROM audit_chain WHERE name = 'key'",
            0,
            "the chain's key is missing or was not created by Watchkeeper",
        ),
    ],
)
async def test_a_change_by_sql_is_found(log, statement: str, broken_at: int, flaw: str) -> None:
    await write(*"abcde")
    await unguarded(statement)
    found = await chain.verify()
    assert (found.broken_at, found.error) == (broken_at, flaw)


@pytest.mark.parametrize("change", ["key_id = ''", "key_id = 'k-2'"])
async def test_the_key_of_an_entry_is_part_of_the_chain(log, change: str) -> None:
    await write("a", key_id="k-1")
    assert (await chain.verify()).error == ""
    await unguarded(f"UPDATE audit SET {change} WHERE seq = 1")
    assert (await chain.verify()).broken_at == 1


async def test_entries_from_before_keys_were_noted_are_whole(log) -> None:
    await write("a")
    (row,) = await db.rows("SELECT * FROM audit")
    found = await chain.lock()
    assert row["hash"] == audit_mac.entry_hash(
        found.key, audit_mac.FIRST_HASH, [row[name] for name in chain.HASHED_COLUMNS]
    )
    await unguarded("UPDATE audit SET key_id = 'k-1' WHERE seq = 1")
    assert (await chain.verify()).error == "an entry was changed"


async def test_a_truncated_log_with_a_moved_head_is_detected(log) -> None:
    await write(*"abcde")
    await unguarded("DELETE FROM audit WHERE seq > 3")
    await db.rows("UPDATE audit_chain SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3) WHERE name = 'head'")
    assert (await chain.verify()).error == "the mark 'head' was not set by Watchkeeper"


async def test_a_forged_anchor_is_detected(log) -> None:
    await write(*"abc")
    await db.rows("INSERT INTO audit_chain (name, seq, hash, seal) VALUES ('anchor', 2, 'f', 'f')")
    await db.rows("DELETE FROM audit WHERE seq <= 2")
    assert (await chain.verify()).error == "the mark 'anchor' was not set by Watchkeeper"


async def test_the_log_stays_valid_after_old_entries_are_deleted(log) -> None:
    await write(*"abc")
    newest = (await list_page(AuditQuery()))[0][0]
    assert await chain.delete_before(int(newest.at.timestamp() * 1000) - DAY_MS) == 0
    assert await chain.delete_before(int(newest.at.timestamp() * 1000) + DAY_MS) == 3
    await write("d")
    found = await chain.verify()
    assert (found.count, found.error, found.head.seq) == (1, "", 4)


async def test_retention_leaves_younger_entries(log) -> None:
    for at_ms, action in ((1_000, "a"), (2_000, "b"), (61_000, "c")):
        await record_entry(NewAuditEntry(action=action, outcome=AuditOutcome.DONE), at_ms=at_ms)
    assert await chain.delete_before(61_000) == 2
    assert [entry.action for entry in (await list_page(AuditQuery()))[0]] == ["c"]
    assert (await chain.verify()).error == ""


async def test_entries_are_found_by_who_what_and_how_it_ended(log) -> None:
    await write("monitor.created", actor_id="u-1", actor="ada", resource="monitor", resource_id="m-1")
    await record_entry(
        NewAuditEntry(action="user.updated", outcome=AuditOutcome.REFUSED, actor="bob", code="FORBIDDEN")
    )
    queries = AuditQuery(actor="ada"), AuditQuery(action="monitor.created"), AuditQuery(resource_id="m-1")
    for query in (AuditQuery(actor="u-1"), *queries):
        assert [one.seq for one in (await list_page(query))[0]] == [1], query
    rejected = AuditQuery(outcome=AuditOutcome.REFUSED)
    assert ([one.code for one in (await list_page(rejected))[0]], await count(rejected)) == (["FORBIDDEN"], 1)


async def test_pages_follow_each_other_newest_first(log) -> None:
    await write(*"abcde")
    first, more = await list_page(AuditQuery(limit=2))
    assert ([one.action for one in first], more) == (["e", "d"], 4)
    second, more = await list_page(AuditQuery(limit=3, before=4))
    assert ([one.action for one in second], more) == (["c", "b", "a"], None)
    assert [one.action async for one in stream_entries(AuditQuery(), 4)] == ["e", "d", "c", "b"]
