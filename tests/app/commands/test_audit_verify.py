"""`watchkeeper audit-verify` reports in text and exit code whether the log was changed."""

import asyncio
import os

import pytest

from app import cli, db
from app.security.secrets import sealing
from app.settings import Settings
from app.store.audit.log import AuditQuery, list_page, record_entry
from tests import make


@pytest.fixture
async def log(store: Settings) -> Settings:
    sealing.prepare(store)
    for action in ("monitor.created", "monitor.deleted"):
        await record_entry(make.deed(action=action))
    return store


@pytest.fixture
def verify(environ, monkeypatch, capsys):
    """Runs the command; its exit code and what it prints."""
    for name in [name for name in os.environ if name.startswith("DB_")]:
        monkeypatch.delenv(name)

    def run(**changes: str) -> tuple[int, str]:
        for name, value in {**environ, **changes}.items():
            monkeypatch.setenv(name, value)
        return cli.main(["audit-verify"]), capsys.readouterr().out

    return run


async def in_a_thread(verify, **changes: str) -> tuple[int, str]:
    """The command has a loop of its own; this one's engine stays open beside it."""
    engine = db.engine()
    try:
        return await asyncio.to_thread(verify, **changes)
    finally:
        db.use_engine(engine)


async def test_a_whole_log_is_counted_and_its_end_named(log, verify) -> None:
    code, text = await in_a_thread(verify)
    newest = (await list_page(AuditQuery()))[0][0]
    assert (code, text) == (0, f"2 entries, whole; the newest is 2 {newest.hash}\n")


async def test_a_broken_log_is_exit_code_1_and_names_the_entry(log, verify) -> None:
    await db.rows("UPDATE audit_chain SET seq = 1 WHERE name = 'head'")
    code, text = await in_a_thread(verify)
    assert code == 1
    assert text.startswith("BROKEN at entry 0: the mark 'head'")


async def test_another_secret_opens_no_chain(log, verify) -> None:
    code, text = await in_a_thread(verify, API_SECRET_KEY="another key, long enough")
    assert (code, "key is missing or was not created by Watchkeeper" in text) == (1, True)
