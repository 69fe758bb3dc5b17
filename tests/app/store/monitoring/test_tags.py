"""Tags have one name each, in whatever case; monitors bear them; viewers may see by them."""

import asyncio
from uuid import uuid4

import pytest

from app import db
from app.errors import Conflict, Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store import visibility
from app.store.identity import users, viewer_tags
from app.store.monitoring import tags
from app.store.monitoring.tags import TagQuery
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorQuery
from schema.monitors import MonitorPatch
from schema.status import Role
from schema.tags import Tag, TagDraft, TagLabel, TagPatch, VisibleTags
from tests import make

GONE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def tag(name: str = "production", **changes) -> Tag:
    return await tags.create(TagDraft(name=name, **changes))


async def monitor_with_tags(name: str, *with_tags: Tag):
    return (await monitors.create(make.monitor(name=name, tag_ids=[one.id for one in with_tags]))).monitor


async def names(**query) -> list[str]:
    found, total = await monitors.list_page(MonitorQuery(**query))
    assert len(found) == total
    return [one.name for one in found]


async def create_user(name: str) -> str:
    return (await users.register(name, f"{name}@example.org", "hash", is_open=True)).id


async def test_a_tag_is_kept_changed_and_removed():
    added = await tag(color="#123456")
    assert (added.name, added.color, added.description, added.monitors, added.version) == (
        "production", "#123456", "", 0, 1,
    )  # fmt: skip
    changed = await tags.update(added.id, TagPatch(name="PRODUCTION", description="what people pay for"))
    assert (changed.name, changed.color, changed.version) == ("PRODUCTION", "#123456", 2)
    with pytest.raises(Stale):
        await tags.delete(added.id, version=1)
    await tags.delete(added.id, version=2)
    with pytest.raises(NoSuch, match="tag"):
        await tags.get(added.id)


@pytest.mark.parametrize(("name", "same"), [("web", "WEB"), ("Straße", "STRASSE"), ("Köln", "kÖLN")])
async def test_two_tags_can_not_have_one_name_in_whatever_case(name, same):
    await tag(name)
    other = await tag("other")
    with pytest.raises(Conflict):
        await tag(same)
    with pytest.raises(Conflict):
        await tags.update(other.id, TagPatch(name=same))
    assert (await tags.list_page(TagQuery()))[1] == 2


async def test_concurrent_creation_of_one_name_succeeds_once():
    done = await asyncio.gather(tag("web"), tag("Web"), tag("WEB"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Conflict", "Conflict", "Tag"]


async def test_a_list_is_sought_sorted_and_counts_monitors():
    with_tags, _, other = await tag("beta"), await tag("alpha"), await tag("BETAMAX")
    await monitor_with_tags("one", with_tags, other)
    await monitor_with_tags("two", with_tags)
    found, total = await tags.list_page(TagQuery(q="Beta"))
    assert ([(one.name, one.monitors) for one in found], total) == ([("beta", 2), ("BETAMAX", 1)], 2)
    found, total = await tags.list_page(TagQuery(descending=True, limit=1, offset=1))
    assert ([one.name for one in found], total) == (["beta"], 3)


async def test_a_monitor_shows_its_tags_by_name_and_keeps_them_unless_changed():
    last, first = await tag("zulu"), await tag("Alpha", color="#ffffff")
    monitor = await monitor_with_tags("web", last, first)
    assert monitor.tags[0] == TagLabel(id=first.id, name="Alpha", color="#ffffff")
    assert [one.name for one in monitor.tags] == ["Alpha", "zulu"]
    changed = (await monitors.update(monitor.id, MonitorPatch(name="site"))).monitor
    assert changed.tags == monitor.tags
    changed = (await monitors.update(monitor.id, MonitorPatch(tag_ids=[last.id]))).monitor
    assert ([one.name for one in changed.tags], changed.version) == (["zulu"], 3)
    await tags.delete(last.id)
    assert (await monitors.get(monitor.id)).tags == []


async def test_a_tag_that_does_not_exist_is_refused_by_its_place_and_nothing_is_kept():
    known = await tag()
    with pytest.raises(Invalid) as raised:
        await monitors.create(make.monitor(tag_ids=[known.id, GONE]))
    assert [one.field for one in raised.value.fields] == ["tag_ids.1"]
    assert await db.rows("SELECT id FROM monitors") == []


async def test_monitors_are_listed_by_a_tags_id_or_name():
    web, mail = await tag("Web"), await tag("mail")
    await monitor_with_tags("one", web)
    await monitor_with_tags("two", web, mail)
    await monitor_with_tags("three")
    assert await names(tag="wEB") == await names(tag=web.id) == ["one", "two"]
    assert await names(tag="nobody's") == await names(tag=str(uuid4())) == []


async def test_a_list_queries_as_often_for_many_monitors_as_for_one(statements):
    one = await tag()
    await monitor_with_tags("first", one)
    statements.clear()
    await names()
    few = len(statements)
    for number in range(5):
        await monitor_with_tags(f"more {number}", one)
    statements.clear()
    await names()
    assert len(statements) == few


async def test_a_viewer_of_tags_sees_monitors_with_one_of_them():
    web, mail = await tag("web"), await tag("mail")
    one, both, _ = (
        await monitor_with_tags("one", web),
        await monitor_with_tags("two", web, mail),
        await monitor_with_tags("three"),
    )
    assert await names(visible_to=None) == ["one", "three", "two"]
    assert await names(visible_to=frozenset({web.id, mail.id})) == ["one", "two"]
    assert await names(visible_to=frozenset({mail.id})) == ["two"]
    assert await names(visible_to=frozenset()) == []
    assert await visibility.visible_monitor_ids(frozenset({web.id})) == {one.id, both.id}
    with pytest.raises(NoSuch):
        await monitors.get(one.id, frozenset({mail.id}))


async def test_only_viewers_can_be_restricted_to_tags():
    admin, viewer, one = await create_user("ada"), await create_user("bob"), await tag()
    with pytest.raises(Conflict, match="admin"):
        await viewer_tags.set_for_user(admin, [one.id])
    assert await viewer_tags.set_for_user(admin, []) == VisibleTags(visible_tags=[])
    assert await viewer_tags.set_for_user(viewer, [one.id]) == await viewer_tags.get(viewer)
    assert await viewer_tags.scope_of(viewer, Role.VIEWER) == frozenset({one.id})
    assert (
        await viewer_tags.scope_of(viewer, Role.OPERATOR) is None
    )  # what somebody could see less of before they were more
    await viewer_tags.set_for_user(viewer, [])
    assert await viewer_tags.scope_of(viewer, Role.VIEWER) is None


async def test_a_viewer_is_narrowed_to_tags_that_exist_or_not_at_all():
    await create_user("ada")
    viewer, one = await create_user("bob"), await tag()
    await viewer_tags.set_for_user(viewer, [one.id])
    with pytest.raises(Invalid) as raised:
        await viewer_tags.set_for_user(viewer, [one.id, GONE])
    assert [field.field for field in raised.value.fields] == ["visible_tags.1"]
    assert (await viewer_tags.get(viewer)).visible_tags == [one.id]
    with pytest.raises(NoSuch, match="user"):
        await viewer_tags.set_for_user(GONE, [one.id])


async def test_a_tag_that_restricts_a_viewer_cannot_be_deleted():
    await create_user("ada")
    viewer, one = await create_user("bob"), await tag()
    await viewer_tags.set_for_user(viewer, [one.id])
    with pytest.raises(Conflict, match="1 viewers"):
        await tags.delete(one.id)
    await db.rows("DELETE FROM users WHERE id = ?1", viewer)
    await tags.delete(one.id)
