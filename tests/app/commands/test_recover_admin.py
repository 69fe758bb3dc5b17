"""Commands for the operator of the machine: restore a lost admin, rotate the signing key."""

import json
import re
import subprocess
import sys

import pytest

from app import db
from app.security.credentials import passwords
from app.security.secrets import sealing
from app.settings import Settings
from app.store.identity import api_keys, sessions, users
from schema.api_keys import ApiKeyDraft
from schema.status import Role
from schema.users import Principal
from tests.app.api.running_app import ADA


def command(environ: dict[str, str], *message: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *message],
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
async def lost(store: Settings) -> Settings:
    """An installation whose one admin was made a viewer and switched off, and is signed in."""
    sealing.prepare(store)
    sessions.clear_cache()
    user = await users.register("ada", ADA["email"], await passwords.hash_password(ADA["password"]), is_open=False)
    await sessions.start(user.id, ip="", agent="")
    by = Principal(user_id=user.id, username="ada", role=Role.ADMIN, via="jwt")
    await api_keys.create(ApiKeyDraft(name="robot"), by, ())
    await db.rows("UPDATE users SET role = 'viewer', active = (1 = 0)")
    return store


@pytest.mark.parametrize("login", ["ADA@example.org", "ada"])
async def test_a_lost_admin_is_let_in_with_a_new_password(lost: Settings, environ: dict[str, str], login: str) -> None:
    done = command(environ, "recover-admin", login)
    assert done.returncode == 0, done.stderr
    found = re.search(r"ada is an admin with the password (\S+)", done.stdout)
    assert found
    account = await users.find_by_login("ada")
    assert account
    assert (account.role, account.active) == (Role.ADMIN, True)
    assert await passwords.matches(found.group(1), account.password_hash)
    assert await db.rows("SELECT 1 AS one FROM sessions WHERE ended_ms IS NULL") == []
    assert "API keys that were switched off: 1" in done.stdout
    assert await db.rows("SELECT 1 AS one FROM api_keys WHERE active") == []


async def test_an_unknown_name_creates_no_admin(lost: Settings, environ: dict[str, str]) -> None:
    done = command(environ, "recover-admin", "eve@example.org")
    assert (done.returncode, "There is no user" in done.stderr) == (1, True)
    assert [row["role"] for row in await db.rows("SELECT role FROM users")] == ["viewer"]


async def test_a_new_signing_key_is_created_and_not_printed(store: Settings, environ: dict[str, str]) -> None:
    done = command(environ, "rotate-signing-key")
    assert done.returncode == 0, done.stderr
    (row,) = await db.rows("SELECT id, secret FROM signing_keys")
    sealing.prepare(store)
    assert row["id"] in done.stdout
    assert sealing.decrypt(row["secret"]) not in json.dumps([done.stdout, done.stderr])
