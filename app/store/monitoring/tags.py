"""Tags: create, list, update, delete. Names are unique, ignoring case.

Written as SQL: lists with the number of monitors, and with visibility.
"""

from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET

from app import clock, db
from app.errors import Conflict, NoSuch
from app.store import visibility
from app.store.listing import Listing, ListQuery
from app.store.name_search import matches_sql, matching_ids
from app.store.tables.tags import TagRow, ViewerTagRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.tags import Tag, TagDraft, TagPatch

SORTS = {"name": "t.name_key", "created_at": "t.created_ms", "updated_at": "t.updated_ms"}
LOCK = 5_201_417  # any number of our own; held until the transaction ends

_SELECT = "SELECT t.*, (SELECT count(*) FROM monitor_tags b WHERE b.tag_id = t.id) AS monitors FROM tags t"
_FILTERS = f" WHERE {matches_sql('t.id', 1)} AND {visibility.visible_tags_sql('t.id', 2)}"
_LISTING = Listing(select=_SELECT, count="SELECT count(*) AS n FROM tags t", filters=_FILTERS, sorts=SORTS, key="t.id")


class TagQuery(ListQuery, frozen=True, kw_only=True):
    """Which tags, in which order.

    q           part of the name, ignoring case
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`
    """

    q: str | None = None
    visible_to: TagScope = None


def name_key(name: str) -> str:
    """The key that a name is compared by, ignoring case."""
    return name.casefold()


async def lock() -> None:
    """Serialize changes of tags until the transaction ends: names stay unique, and tags in use are not deleted."""
    await db.advisory_lock(LOCK)


async def create(draft: TagDraft) -> Tag:
    """Create a tag. Raises Conflict (the name is taken)."""
    now, id_ = clock.now_ms(), str(uuid4())
    async with db.transaction():
        await lock()
        await _check_name_unused(draft.name, id_)
        await TagRow.insert(TagRow(id=id_, created_ms=now, updated_ms=now, **_columns_of(draft)))
        return await get(id_)


async def get(tag_id: str, visible_to: TagScope = None) -> Tag:
    """One tag. Raises NoSuch."""
    return _tag_of(await _row(tag_id, visible_to))


async def update(tag_id: str, patch: TagPatch, *, version: ExpectedVersion = None) -> Tag:
    """Apply a patch. Raises NoSuch, Stale, Conflict (the name is taken)."""
    async with db.transaction():
        await lock()
        row = await _row(tag_id)
        check_version("tag", row["version"], version)
        draft = _apply_patch(row, patch)
        await _check_name_unused(draft.name, tag_id)
        values: dict[Any, Any] = {**_columns_of(draft), "version": row["version"] + 1, "updated_ms": clock.now_ms()}
        await TagRow.update(values).where(TagRow.id == tag_id)
        return await get(tag_id)


async def delete(tag_id: str, *, version: ExpectedVersion = None) -> str:
    """Delete a tag; returns its name. Raises NoSuch, Stale, Conflict while it limits viewers."""
    async with db.transaction():
        await lock()
        row = await _row(tag_id)
        check_version("tag", row["version"], version)
        if viewers := await ViewerTagRow.count().where(ViewerTagRow.tag_id == tag_id):
            raise Conflict(
                f"{viewers} viewers have this visible tag. Change their visible tags first.", viewers=viewers
            )
        await TagRow.delete().where(TagRow.id == tag_id)
    return str(row["name"])


async def list_page(query: TagQuery) -> tuple[list[Tag], int]:
    """One page of tags, and their total."""
    matches = await matching_ids(query.q, TagRow.id, TagRow.name)
    filters = (matches, visibility.tags_parameter(query.visible_to))
    found, total = await _LISTING.read(query, filters)
    return [_tag_of(row) for row in found], total


async def _row(tag_id: str, visible_to: TagScope = None) -> Any:
    select = f"{_SELECT} WHERE t.id = ?1 AND {visibility.visible_tags_sql('t.id', 2)}"
    found = await db.rows(select, tag_id, visibility.tags_parameter(visible_to))
    if not found:
        raise NoSuch("tag", tag_id)
    return found[0]


def _tag_of(row: Any) -> Tag:
    return Tag(
        id=row["id"],
        name=row["name"],
        color=row["color"],
        description=row["description"],
        monitors=row["monitors"],
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def _columns_of(draft: TagDraft) -> dict[str, Any]:
    return {**msgspec.structs.asdict(draft), "name_key": name_key(draft.name)}


def _apply_patch(row: Any, patch: TagPatch) -> TagDraft:
    """The whole definition after the patch."""
    old = TagDraft(name=row["name"], color=row["color"], description=row["description"])
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    return msgspec.structs.replace(old, **fields)


async def _check_name_unused(name: str, tag_id: str) -> None:
    if await TagRow.exists().where(TagRow.name_key == name_key(name), TagRow.id != tag_id):
        raise Conflict(f"There is already a tag {name!r}.", field="name")
