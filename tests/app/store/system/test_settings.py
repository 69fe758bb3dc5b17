"""Settings: known keys, right values, and a change that every process sees within a second."""

import pytest

from app import db
from app.errors import Invalid, NoSuch, Stale
from app.store.system import settings
from schema.settings import CATALOGUE, EgressPolicy, SettingPatch

KEY = "egress.webhooks"


async def test_an_unchanged_setting_has_its_default(store):
    assert await settings.get_value(KEY) == EgressPolicy()
    assert [one.key for one in await settings.list_all()] == sorted(CATALOGUE)
    assert {one.version for one in await settings.list_all()} == {0}


async def test_a_change_is_read_at_once_where_it_was_made(store):
    await settings.get_value(KEY)
    saved = await settings.update(KEY, SettingPatch(value={"allow_private": False}))
    assert (await settings.get_value(KEY), saved.version) == (EgressPolicy(allow_private=False), 1)


async def test_absent_fields_stay_and_a_reset_brings_the_default_back(store):
    await settings.update(KEY, SettingPatch(value={"allow_private": False}))
    saved = await settings.update(KEY, SettingPatch(value={"allow": ["10.0.0.0/8"]}))
    assert saved.value == EgressPolicy(allow_private=False, allow=["10.0.0.0/8"])
    await settings.reset(KEY)
    assert await settings.get_value(KEY) == EgressPolicy()


async def test_between_two_looks_nothing_is_queried(store):
    await settings.get_value(KEY)
    await db.rows(
        "INSERT INTO settings (key, value, version, updated_ms) VALUES (?1, '{\"allow_private\":false}', 1, 0)", KEY
    )
    assert await settings.get_value(KEY) == EgressPolicy()
    settings.clear_cache()  # as a second does
    assert await settings.get_value(KEY) == EgressPolicy(allow_private=False)


async def test_a_key_of_another_version_is_left_alone(store):
    await db.rows("INSERT INTO settings (key, value, version, updated_ms) VALUES ('colour', '1', 1, 0)")
    settings.clear_cache()
    assert await settings.get_value(KEY) == EgressPolicy()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"allow_private": "no"}, "value.allow_private"),
        ({"allow_privat": False}, "value.allow_privat"),
        ({"allow": ["10.0.0.0/33"]}, "value.allow.0"),
        ({"deny": ["::1", "example.org"]}, "value.deny.1"),
        (None, "value"),
        (7, "value"),
    ],
)
async def test_invalid_fields_are_named(store, value, field):
    with pytest.raises(Invalid) as raised:
        await settings.update(KEY, SettingPatch(value=value))
    assert [one.field for one in raised.value.fields] == [field]


async def test_an_old_copy_and_an_unknown_key_are_refused(store):
    await settings.update(KEY, SettingPatch(value={}))
    with pytest.raises(Stale):
        await settings.update(KEY, SettingPatch(value={}), version=0)
    with pytest.raises(Stale):
        await settings.reset(KEY, version=2)
    with pytest.raises(NoSuch):
        await settings.update("jwt.key", SettingPatch(value="x"))
