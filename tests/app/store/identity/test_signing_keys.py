"""Signing keys in the store: sealed, made once, forgotten when nothing is signed with them any more."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from time import time

import pytest

from app import db, tasks
from app.security.auth import keyring, tokens
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import signing_keys


@pytest.fixture(autouse=True)
def opened(store: Settings) -> Iterator[Settings]:
    """The store, the installation's secret, and an empty ring."""
    sealing.prepare(store)
    keyring.set_keys(())
    yield store
    keyring.set_keys(())


async def ids() -> list[str]:
    return [row["id"] for row in await db.rows("SELECT id FROM signing_keys ORDER BY signs_from_ms")]


async def older(by_s: float) -> None:
    """Let time pass for every key."""
    await db.rows("UPDATE signing_keys SET signs_from_ms = signs_from_ms - ?1", int(by_s * 1000))


async def test_processes_that_start_together_make_one_first_key() -> None:
    await asyncio.gather(*(signing_keys.load() for _ in range(5)))
    assert len(await ids()) == 1


async def test_a_new_key_signs_once_every_process_has_read_it() -> None:
    await signing_keys.load()
    made = await signing_keys.rotate()
    await signing_keys.load()
    assert keyring.current_key().id != made
    assert made in {one.id for one in keyring.verification_keys(tokens.ACCESS_LIFETIME_S)}
    await older(signing_keys.HEAD_START_S)
    await signing_keys.load()
    assert keyring.current_key().id == made


async def test_tokens_signed_before_a_rotation_stay_valid() -> None:
    await signing_keys.load()
    await older(signing_keys.HEAD_START_S + 60)
    await signing_keys.load()
    before = tokens.access_token("user", "sid", int(time())), tokens.refresh_token("sid")
    await signing_keys.rotate()
    await older(signing_keys.HEAD_START_S)
    await signing_keys.load()
    assert keyring.current_key().id == (await ids())[-1]
    assert (tokens.sid_of_access(before[0]), tokens.sid_of_refresh(before[1])) == ("sid", "sid")


async def test_keys_are_forgotten_when_the_last_of_their_tokens_has_expired() -> None:
    first = await signing_keys.rotate()
    await older(tokens.REFRESH_LIFETIME_S)
    second = await signing_keys.rotate()
    assert await ids() == [first, second]
    await older(tokens.REFRESH_LIFETIME_S + signing_keys.HEAD_START_S + 1)
    third = await signing_keys.rotate()
    assert await ids() == [second, third]


async def test_keys_are_stored_sealed_and_open_with_no_other_secret(opened: Settings) -> None:
    await signing_keys.load()
    (row,) = await db.rows("SELECT secret FROM signing_keys")
    assert row["secret"].startswith(sealing.PREFIX)
    sealing.prepare(replace(opened, api_secret_key="the secret of somebody else"))
    with pytest.raises(sealing.DecryptionFailed):
        await signing_keys.load()


async def test_a_running_process_takes_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_keys, "POLL_S", 0.01)
    following = asyncio.create_task(signing_keys.reload_forever())
    made = await signing_keys.rotate()
    async with asyncio.timeout(10):
        while made not in {one.id for one in keyring.verification_keys(tokens.ACCESS_LIFETIME_S)}:
            await asyncio.sleep(0.01)
    await tasks.cancel(following)
