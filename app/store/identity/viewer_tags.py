"""What viewers see by: monitors that bear one of their tags. Who has none sees everything."""

from collections.abc import Sequence

from app import db
from app.errors import Conflict, Invalid, NoSuch
from app.store.monitoring import tags
from app.store.monitoring.tag_links import UNKNOWN
from app.store.sql import listed
from app.store.visibility import Seeing
from schema.errors import FieldError
from schema.status import Role
from schema.tags import VisibleTags

ALL_OF_IT = "Only what a viewer sees can be narrowed; this user's role is {role}."


async def of(user_id: str, role: Role) -> Seeing:
    """What a user of this role sees by; None: everything, as all others than viewers do."""
    if role is not Role.VIEWER:
        return None
    return frozenset(await _ids(user_id)) or None


async def read(user_id: str) -> VisibleTags:
    """What a user would see by as a viewer. Raises NoSuch."""
    await _role(user_id)
    return VisibleTags(visible_tags=await _ids(user_id))


async def put(user_id: str, tag_ids: Sequence[str]) -> VisibleTags:
    """Have a viewer see by exactly these. Raises NoSuch, Conflict (no viewer), Invalid (no such tags)."""
    async with db.writing():
        role = await _role(user_id)
        if tag_ids and role is not Role.VIEWER:
            raise Conflict(ALL_OF_IT.format(role=role), role=str(role))
        await tags.hold()
        await db.rows("DELETE FROM viewer_tags WHERE user_id = ?1", user_id)
        made = await db.rows(
            "INSERT INTO viewer_tags (user_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
            " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
            user_id,
            listed(tag_ids),
        )
        known = {row["tag_id"] for row in made}
        if unknown := [number for number, id_ in enumerate(tag_ids) if id_ not in known]:
            raise Invalid([FieldError(f"visible_tags.{number}", UNKNOWN) for number in unknown])
        return VisibleTags(visible_tags=sorted(known))


async def _ids(user_id: str) -> list[str]:
    found = await db.rows("SELECT tag_id FROM viewer_tags WHERE user_id = ?1 ORDER BY tag_id", user_id)
    return [row["tag_id"] for row in found]


async def _role(user_id: str) -> Role:
    found = await db.rows("SELECT role FROM users WHERE id = ?1", user_id)
    if not found:
        raise NoSuch("user", user_id)
    return Role(found[0]["role"])
