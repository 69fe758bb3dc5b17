"""Channels keep their secrets, and a test channel is invisible to the API."""

import pytest

from app import db
from app.errors import Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting import channels, deleted_channels
from app.store.alerting.channel_rows import stored_channel
from app.store.alerting.channels import ChannelQuery, ChannelWithSecrets
from app.store.monitoring import proxies
from app.store.transactions import monitors
from schema.channels import ChannelPatch, Telegram
from schema.channels.rules import Templates
from schema.field_types import MASK
from tests import make


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


def bot() -> Telegram:
    return Telegram(bot_token="sesame", chat_id="7")


async def with_secrets(ids: list[str]) -> dict[str, ChannelWithSecrets]:
    """Channels by id, as a sender gets them."""
    found = await db.rows("SELECT * FROM channels")
    return await channels.with_secrets(stored_channel(row) for row in found if row["id"] in ids)


async def test_the_proxies_of_all_channels_are_read_in_one_statement(statements):
    ways = [await proxies.create(make.proxy(port=port)) for port in (9, 10)]
    ids = [
        (await channels.create(make.channel(make.webhook(proxy_id=one.id), name=f"by {one.port}"))).id for one in ways
    ]
    direct = (await channels.create(make.channel(bot()))).id
    stored = [stored_channel(row) for row in await db.rows("SELECT * FROM channels")]
    statements.clear()
    found = await channels.with_secrets(stored)
    assert [getattr(found[id_].proxy, "port", None) for id_ in (*ids, direct)] == [9, 10, None]
    await channels.with_secrets(one for one in stored if one.id == direct)
    assert len(statements) == 1


async def names(**wanted) -> list[str]:
    return [one.name for one in (await channels.list_page(ChannelQuery(**wanted)))[0]]


async def test_a_secret_is_sealed_in_the_row_masked_in_the_answer_and_open_for_the_sender():
    added = await channels.create(make.channel(bot()))
    assert "sesame" not in (await db.rows("SELECT config FROM channels"))[0]["config"]
    assert added.config == Telegram(bot_token=MASK, chat_id="7")
    assert added == await channels.get(added.id)
    assert (await with_secrets([added.id]))[added.id].config == bot()


async def test_a_change_merges_and_the_mask_keeps_the_secret():
    added = await channels.create(make.channel(bot()))
    changed = await channels.update(added.id, ChannelPatch(config={"bot_token": MASK, "chat_id": "8"}))
    assert (changed.name, changed.version) == ("ops", 2)
    assert (await with_secrets([added.id]))[added.id].config == Telegram(bot_token="sesame", chat_id="8")


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        (ChannelPatch(type="slack"), "type"),
        (ChannelPatch(config={"chat_id": "8"}), "config.bot_token"),
        (ChannelPatch(config={"bot_token": "x", "chat_id": "8", "colour": "red"}), "config.colour"),
    ],
)
async def test_a_change_that_does_not_fit_leaves_everything_as_it_was(patch, field):
    added = await channels.create(make.channel(bot()))
    with pytest.raises(Invalid) as raised:
        await channels.update(added.id, patch)
    assert [one.field for one in raised.value.fields] == [field]
    assert await channels.get(added.id) == added


async def test_a_new_channel_can_not_keep_anything():
    with pytest.raises(Invalid) as raised:
        await channels.create(make.channel(Telegram(bot_token=MASK, chat_id="7")))
    assert [one.field for one in raised.value.fields] == ["config.bot_token"]
    assert await names() == []


async def test_a_change_from_an_older_version_is_refused():
    added = await channels.create(make.channel())
    await channels.update(added.id, ChannelPatch(name="first"), version=1)
    with pytest.raises(Stale):
        await channels.update(added.id, ChannelPatch(name="second"), version=1)
    with pytest.raises(Stale):
        await channels.delete(added.id, version=1)
    assert await names() == ["first"]


async def test_a_deleted_channel_is_gone_for_readers_and_keeps_no_secret():
    added = await channels.create(make.channel(bot()))
    await channels.delete(added.id)
    assert (await db.rows("SELECT config FROM channels"))[0]["config"] == deleted_channels.ERASED_CONFIG
    with pytest.raises(NoSuch, match="notification-channel"):
        await channels.get(added.id)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["Bot", "ops"]),
        ({"descending": True}, ["ops", "Bot"]),
        ({"q": "O"}, ["Bot", "ops"]),
        ({"q": "op"}, ["ops"]),
        ({"type": "telegram"}, ["Bot"]),
        ({"active": False}, ["ops"]),
        ({"limit": 1, "offset": 1}, ["ops"]),
    ],
)
async def test_channels_are_found_by_filters(wanted, found):
    await channels.create(make.channel(active=False))
    await channels.create(make.channel(bot(), name="Bot"))
    assert await names(**wanted) == found


async def test_a_test_channel_is_visible_to_the_sender_only():
    test_channel = await channels.create_test_channel(make.channel(bot()))
    assert (await with_secrets([test_channel]))[test_channel].config == bot()
    assert await channels.list_page(ChannelQuery()) == ([], 0)
    with pytest.raises(NoSuch):
        await channels.get(test_channel)
    with pytest.raises(Invalid):
        await monitors.create(make.monitor(notification_channel_ids=[test_channel]))
    await channels.delete_test_channel(test_channel)
    assert await with_secrets([test_channel]) == {}


async def test_a_test_channel_left_by_a_crash_is_removed_by_the_next():
    left = await channels.create_test_channel(make.channel(bot()))
    await db.rows("UPDATE channels SET created_ms = 1")
    fresh = await channels.create_test_channel(make.channel(bot()))
    assert list(await with_secrets([left, fresh])) == [fresh]


async def test_removing_a_test_channel_never_removes_a_channel():
    added = await channels.create(make.channel())
    await channels.delete_test_channel(added.id)
    assert await channels.get(added.id) == added


async def test_a_test_channel_uses_the_templates_of_its_draft():
    own = Templates(title="{{ name }}")
    test_channel = await channels.create_test_channel(make.channel(bot(), templates=own))
    assert (await with_secrets([test_channel]))[test_channel].rules.templates == own
    with pytest.raises(Invalid):
        await channels.create_test_channel(make.channel(bot(), templates=Templates(text="{{ name")))
