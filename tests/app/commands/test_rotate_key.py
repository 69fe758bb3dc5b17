"""Key rotation: stored values are encrypted again, an interrupted rotation resumes, the old key is dropped last."""

import ast
import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import redis

from app import cli, db, nodes
from app.commands import rotate_key
from app.processes import preflight
from app.security.secrets import sealing
from app.settings import KEY_FILE, BadSettings, Settings, new_secret_key, with_secret_key
from app.store.alerting import channels
from app.store.monitoring import proxies
from app.store.system import secret_rotation
from app.store.tables import encrypted_columns
from app.store.transactions import monitors
from schema.targets.http import HttpBearerAuth
from tests import make

ROOT = Path(__file__).parents[3]
WRITERS = {  # modules of the store that seal, and where it ends up
    "alerting/channels.py": "channels",
    "alerting/webhooks.py": "channels",
    "audit/chain.py": "audit_chain",
    "identity/api_key_pepper.py": "key_peppers",
    "identity/mfa.py": "totp",
    "identity/signing_keys.py": "signing_keys",
    "monitoring/proxies.py": "proxies",
    "monitoring/rows.py": "monitors",
    "system/idempotency.py": "idempotency",
}


@pytest.fixture
def keyed(database: Settings) -> Settings:
    """An installation whose key is in its file."""
    return replace(database, api_secret_key="")


def key_file(settings: Settings) -> Path:
    return settings.data_dir / KEY_FILE


def lines(settings: Settings) -> list[str]:
    return key_file(settings).read_text().split()


async def filled(settings: Settings) -> None:
    """A secret of each kind."""
    known = with_secret_key(settings)
    sealing.prepare(known)
    await db.start(known)
    await monitors.create(make.monitor(make.http(auth=HttpBearerAuth(token="sesame-1"))))
    await channels.create(make.channel(make.webhook(secret="sesame-2")))
    await proxies.create(make.proxy(password="sesame-3"))
    await db.stop()


async def texts() -> list[str]:
    return [
        row["text"]
        for place in encrypted_columns.ENCRYPTED_COLUMNS
        for row in await place.table.select(place.column.as_alias("text"))
    ]


async def opens(settings: Settings) -> list[str]:
    """Every stored text, with its secrets open."""
    known = with_secret_key(settings)
    sealing.prepare(known)
    await db.start(known)
    found = [sealing.ENCRYPTED_VALUE.sub(lambda one: sealing.decrypt(one.group()), text) for text in await texts()]
    await db.stop()
    return found


def holds_all(found: list[str]) -> bool:
    return all(any(f"sesame-{number}" in text for text in found) for number in (1, 2, 3))


def test_rotation_encrypts_with_the_new_key_and_keeps_the_old_until_forgotten(keyed: Settings) -> None:
    asyncio.run(filled(keyed))
    (old,) = lines(keyed)
    assert rotate_key.run(keyed, forget=False).startswith("3 rows")
    assert (len(lines(keyed)), lines(keyed)[1]) == (2, old)
    assert rotate_key.run(keyed, forget=True).startswith("0 rows")
    assert lines(keyed) != [old]
    assert len(lines(keyed)) == 1
    assert holds_all(asyncio.run(opens(keyed)))
    assert key_file(keyed).stat().st_mode & 0o777 == 0o600


def test_an_interrupted_rotation_goes_on_with_the_key_it_began_with(keyed: Settings) -> None:
    asyncio.run(filled(keyed))
    (old,) = lines(keyed)
    new = new_secret_key()
    rotate_key.write_key_file(key_file(keyed), new, old)  # and then the power went
    assert holds_all(asyncio.run(opens(keyed)))
    assert rotate_key.run(keyed, forget=False).startswith("3 rows")
    assert lines(keyed) == [new, old]


def test_forgetting_seals_what_is_left_first(keyed: Settings) -> None:
    asyncio.run(filled(keyed))
    (old,) = lines(keyed)
    rotate_key.write_key_file(key_file(keyed), new_secret_key(), old)
    assert rotate_key.run(keyed, forget=True).startswith("3 rows")
    assert holds_all(asyncio.run(opens(keyed)))


def test_a_key_in_the_environment_is_rotated_with_the_old_one_beside_it(database: Settings) -> None:
    asyncio.run(filled(database))
    with pytest.raises(BadSettings, match="API_SECRET_KEY_PREVIOUS"):
        rotate_key.run(database, forget=False)
    both = replace(database, api_secret_key="k" * 32, api_secret_key_previous=database.api_secret_key)
    assert holds_all(asyncio.run(opens(both)))
    assert rotate_key.run(both, forget=False).startswith("3 rows")
    assert holds_all(asyncio.run(opens(replace(both, api_secret_key_previous=""))))


def test_rows_that_no_key_decrypts_prevent_forgetting_the_old_key(keyed: Settings) -> None:
    asyncio.run(filled(keyed))
    key_file(keyed).write_text("somebody-elses-key-1\nsomebody-elses-key-2\n")
    with pytest.raises(rotate_key.RotationIncomplete, match="3 rows"):
        rotate_key.run(keyed, forget=True)
    assert len(lines(keyed)) == 2


def test_a_running_installation_must_be_stopped_first(keyed: Settings) -> None:
    held = preflight.lock_data_dir(keyed.data_dir)
    with pytest.raises(BadSettings, match="in use by another"):
        rotate_key.run(keyed, forget=False)
    os.close(held)
    assert not key_file(keyed).exists()


def test_processes_that_run_by_themselves_are_named(keyed: Settings) -> None:
    with redis.Redis.from_url(keyed.redis_url) as client:
        client.set(nodes.KEY + "worker-1", msgspec.json.encode(nodes.this_node("worker")))
    with pytest.raises(BadSettings, match=r"stop these first: worker-"):
        rotate_key.run(keyed, forget=False)


async def test_a_value_of_the_first_form_still_opens_and_is_sealed_anew(store: Settings) -> None:
    sealing.prepare(store)
    await proxies.create(make.proxy(password="sesame"))
    await db.rows("UPDATE proxies SET config = replace(config, ?1, ?2)", sealing.encrypt("x")[:19], "sealed:v1:")
    assert "sealed:v1:" in (await texts())[0]
    assert await secret_rotation.count_stale() == 1
    assert await secret_rotation.reencrypt_all() == 1
    assert await secret_rotation.count_stale() == 0


def test_the_command_prints_what_was_done(
    environ: dict[str, str], database: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (environ | {"API_SECRET_KEY": ""}).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["rotate-key"]) == 0
    assert "0 rows sealed anew" in capsys.readouterr().out
    assert "rotate-key" in (ROOT / "justfile").read_text()


def sealing_modules() -> Iterator[str]:
    """Modules of the store that seal something."""
    store = ROOT / "app" / "store"
    for path in sorted(store.rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        named = {
            f"{one.value.id}.{one.attr}"
            for one in calls
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)
        }
        if named & {"sealing.encrypt_secrets", "sealing.encrypt", "audit_mac.generate_key"}:
            yield path.relative_to(store).as_posix()


def test_key_rotation_covers_every_encrypted_column() -> None:
    assert list(sealing_modules()) == sorted(WRITERS)
    assert set(WRITERS.values()) == {place.table._meta.tablename for place in encrypted_columns.ENCRYPTED_COLUMNS}
