"""Proxies keep their secrets, and a change of one is a change of the monitors that go through it."""

import pytest
from msgspec.structs import replace

from app import db
from app.errors import Conflict, Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting import channels, webhooks
from app.store.alerting.channel_rows import stored_channel
from app.store.monitoring import proxies, series
from app.store.monitoring.proxies import ProxyQuery
from app.store.transactions import monitors
from schema.channels import ChannelPatch, Slack, Smtp
from schema.field_types import MASK
from schema.monitors import MonitorPatch
from schema.proxies import ProxyConfig, ProxyPatch, ProxyProtocol
from schema.webhooks import WebhookDraft, WebhookPatch
from tests import make

GONE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def proxied(proxy_id: str):
    return (await monitors.create(make.monitor(make.http(proxy_id=proxy_id)))).monitor


async def seen_by_worker(monitor) -> ProxyConfig | None:
    return (await series.list_snapshots(await series.list_numbers(monitor.id)))[0].proxy


async def test_a_password_is_sealed_in_the_row_and_masked_in_the_answer():
    added = await proxies.create(make.proxy(username="ann", password="sesame"))
    assert "sesame" not in (await db.rows("SELECT config FROM proxies"))[0]["config"]
    assert (added.username, added.password, added.monitors) == ("ann", MASK, 0)
    assert added == await proxies.get(added.id)


async def test_a_worker_gets_the_proxy_with_its_password_open():
    added = await proxies.create(make.proxy(password="sesame"))
    known = await seen_by_worker(await proxied(added.id))
    assert known == ProxyConfig(protocol=ProxyProtocol.SOCKS5, host="127.0.0.1", port=9, password="sesame")
    assert await seen_by_worker((await monitors.create(make.monitor())).monitor) is None


async def test_a_change_makes_a_new_version_of_its_monitors():
    added = await proxies.create(make.proxy(password="sesame"))
    through, beside = await proxied(added.id), (await monitors.create(make.monitor())).monitor
    changed, touched = await proxies.update(added.id, ProxyPatch(host="::1", password="anew"))
    assert (changed.host, changed.version, changed.monitors, touched) == ("::1", 2, 1, [through.id])
    assert [(await monitors.get(one.id)).version for one in (through, beside)] == [2, 1]
    assert [plan.version for plan in await series.schedules_of(touched)] == [2]
    known = await seen_by_worker(through)
    assert known
    assert (known.host, known.password) == ("::1", "anew")


async def test_a_monitor_can_change_its_way():
    first, second = await proxies.create(make.proxy()), await proxies.create(make.proxy(port=10))
    monitor = await proxied(first.id)
    await monitors.update(monitor.id, MonitorPatch(config={"url": "http://127.0.0.1/", "proxy_id": second.id}))
    assert [(await proxies.get(one.id)).monitors for one in (first, second)] == [0, 1]
    await monitors.update(monitor.id, MonitorPatch(config={"url": "http://127.0.0.1/"}))
    assert (await proxies.get(second.id)).monitors == 0
    assert await seen_by_worker(monitor) is None


async def test_a_proxy_that_does_not_exist_is_refused_and_nothing_is_kept():
    with pytest.raises(Invalid) as raised:
        await proxied(GONE)
    assert [one.field for one in raised.value.fields] == ["config.proxy_id"]
    assert await db.rows("SELECT id FROM monitors") == []


async def test_a_proxy_in_use_stays():
    added = await proxies.create(make.proxy())
    monitor = await proxied(added.id)
    with pytest.raises(Conflict, match="1 monitors and 0 channels use this proxy"):
        await proxies.delete(added.id)
    await monitors.delete(monitor.id)
    await proxies.delete(added.id)
    with pytest.raises(NoSuch, match="proxy"):
        await proxies.get(added.id)


async def test_a_change_from_an_older_version_is_refused():
    added = await proxies.create(make.proxy())
    await proxies.update(added.id, ProxyPatch(name="first"), version=1)
    with pytest.raises(Stale):
        await proxies.update(added.id, ProxyPatch(name="second"), version=1)
    with pytest.raises(Stale):
        await proxies.delete(added.id, version=1)


async def test_a_mask_for_nothing_is_refused():
    with pytest.raises(Invalid):
        await proxies.create(make.proxy(password=MASK))
    assert await proxies.list_page(ProxyQuery()) == ([], 0)


async def test_a_list_is_sought_and_sorted():
    for name, protocol in (("b", ProxyProtocol.HTTP), ("A", ProxyProtocol.SOCKS4), ("ab", ProxyProtocol.HTTP)):
        await proxies.create(make.proxy(name=name, protocol=protocol))
    found, total = await proxies.list_page(ProxyQuery(q="b", protocol=ProxyProtocol.HTTP, descending=True, limit=1))
    assert ([one.name for one in found], total) == (["b"], 2)


async def proxied_channel(proxy_id: str, **changes):
    return await channels.create(
        make.channel(Slack(webhook_url="https://a.example/s3cr3t", proxy_id=proxy_id), **changes)
    )


async def seen_by_sender(channel_id: str):
    (row,) = await db.rows("SELECT * FROM channels WHERE id = ?1", channel_id)
    return (await channels.with_secrets([stored_channel(row)]))[channel_id]


async def test_a_sender_gets_the_proxy_with_its_password_open():
    added = await proxies.create(make.proxy(password="sesame"))
    channel = await proxied_channel(added.id)
    await proxies.update(added.id, ProxyPatch(port=10, password="anew"))
    known = (await seen_by_sender(channel.id)).proxy
    assert known == ProxyConfig(protocol=ProxyProtocol.SOCKS5, host="127.0.0.1", port=10, password="anew")
    assert (await seen_by_sender((await channels.create(make.channel())).id)).proxy is None
    assert (await proxies.get(added.id)).channels == 1


async def test_a_proxy_that_a_channel_or_a_webhook_uses_stays():
    added = await proxies.create(make.proxy())
    channel = await proxied_channel(added.id)
    hook = await webhooks.create(WebhookDraft(url="https://a.example/", events=["*"], proxy_id=added.id))
    with pytest.raises(Conflict, match="0 monitors and 2 channels use this proxy"):
        await proxies.delete(added.id)
    await channels.delete(channel.id)
    with pytest.raises(Conflict):
        await proxies.delete(added.id)
    await webhooks.delete(hook.id)
    await proxies.delete(added.id)


async def test_a_channel_can_change_its_way():
    first, second = await proxies.create(make.proxy()), await proxies.create(make.proxy(port=10))
    channel = await proxied_channel(first.id)
    config = {"webhook_url": "https://a.example/s3cr3t", "proxy_id": second.id}
    await channels.update(channel.id, ChannelPatch(config=config))
    assert [(await proxies.get(one.id)).channels for one in (first, second)] == [0, 1]
    with pytest.raises(Invalid) as raised:  # a secret stays with its way
        await channels.update(channel.id, ChannelPatch(config={"webhook_url": MASK}))
    assert "because proxy_id changed" in raised.value.fields[0].message
    await channels.update(channel.id, ChannelPatch(config={"webhook_url": "https://a.example/s3cr3t"}))
    assert (await proxies.get(second.id)).channels == 0


async def test_a_webhook_can_change_its_way():
    first, second = await proxies.create(make.proxy()), await proxies.create(make.proxy(port=10))
    hook = await webhooks.create(WebhookDraft(url="https://a.example/", events=["*"], proxy_id=first.id))
    assert hook.proxy_id == first.id
    changed = await webhooks.update(hook.id, WebhookPatch(proxy_id=second.id, secret="anew"))
    assert changed.proxy_id == second.id
    assert [(await proxies.get(one.id)).channels for one in (first, second)] == [0, 1]


async def test_a_channel_is_refused_an_unknown_proxy():
    with pytest.raises(Invalid) as of_channel:
        await proxied_channel(GONE)
    with pytest.raises(Invalid) as of_webhook:
        await webhooks.create(WebhookDraft(url="https://a.example/", events=["*"], proxy_id=GONE))
    assert [one.value.fields[0].field for one in (of_channel, of_webhook)] == ["config.proxy_id", "proxy_id"]
    assert await db.rows("SELECT id FROM channels") == []


async def test_a_mail_server_is_not_reached_through_an_https_proxy():
    secure, plain = await proxies.create(make.proxy(protocol=ProxyProtocol.HTTPS)), await proxies.create(make.proxy())
    mail = Smtp(host="mail.example", sender="a@a.example", to=["b@a.example"], proxy_id=secure.id)
    with pytest.raises(Invalid) as raised:
        await channels.create(make.channel(mail))
    assert [one.field for one in raised.value.fields] == ["config.proxy_id"]
    await channels.create(make.channel(replace(mail, proxy_id=plain.id), name="mail"))
    with pytest.raises(Invalid) as moved:
        await proxies.update(plain.id, ProxyPatch(protocol=ProxyProtocol.HTTPS))
    assert [(one.field, "mail" in one.message) for one in moved.value.fields] == [("protocol", True)]


async def test_a_proxy_does_not_move_while_it_can_read_a_channels_secrets():
    added = await proxies.create(make.proxy())
    await channels.create(make.channel(make.webhook(secret="signs only", proxy_id=added.id)))
    await proxies.update(added.id, ProxyPatch(port=10))
    exposed = await channels.create(make.channel(Slack(webhook_url="http://a.example/s3cr3t", proxy_id=added.id)))
    with pytest.raises(Conflict, match="while channels send secrets") as raised:
        await proxies.update(added.id, ProxyPatch(port=11))
    assert (raised.value.details["monitors"], raised.value.details["channel_ids"]) == (0, [exposed.id])


async def test_a_channel_that_is_only_tested_does_not_hold_a_proxy():
    added = await proxies.create(make.proxy())
    id_ = await channels.create_test_channel(make.channel(make.webhook(proxy_id=added.id)))
    assert (await seen_by_sender(id_)).proxy is not None
    await proxies.delete(added.id)
    assert (await seen_by_sender(id_)).proxy is None
