"""Tags of viewers: a viewer sees monitors with one of their tags; a viewer without tags sees everything.

Written as SQL: a batch over a JSON array, and the tags of a user. They are read within requests; as a Piccolo query
that would cost 0.1 ms more of their 0.4 ms CPU.
"""

from collections.abc import Sequence

from app import db
from app.errors import Conflict, NoSuch, require_known
from app.store.monitoring import tags
from app.store.monitoring.monitor_links import UNKNOWN_TAG
from app.store.sql import list_parameter
from app.store.tables.tags import ViewerTagRow
from app.store.tables.users import UserRow
from app.store.visibility import TagScope
from schema.status import Role
from schema.tags import VisibleTags

NOT_A_VIEWER = "Visible tags apply to viewers only, and this user's role is {role}."


async def scope_of(user_id: str, role: Role) -> TagScope:
    """The tags that limit what a user of this role sees; None: everything. Only viewers have limits."""
    if role is not Role.VIEWER:
        return None
    return frozenset(await _tag_ids(user_id)) or None


async def get(user_id: str) -> VisibleTags:
    """The tags that limit a user as a viewer. Raises NoSuch."""
    await _role_of(user_id)
    return VisibleTags(visible_tags=await _tag_ids(user_id))


async def set_for_user(user_id: str, tag_ids: Sequence[str]) -> VisibleTags:
    """Limit a viewer to exactly these tags. Raises NoSuch, Conflict (not a viewer), Invalid (unknown tags)."""
    async with db.transaction():
        role = await _role_of(user_id)
        if tag_ids and role is not Role.VIEWER:
            raise Conflict(NOT_A_VIEWER.format(role=role), role=str(role))
        await tags.lock()
        await ViewerTagRow.delete().where(ViewerTagRow.user_id == user_id)
        inserted = await db.rows(
            "INSERT INTO viewer_tags (user_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
            " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
            user_id,
            list_parameter(tag_ids),
        )
        known = {row["tag_id"] for row in inserted}
        require_known("visible_tags", tag_ids, known, UNKNOWN_TAG)
        return VisibleTags(visible_tags=sorted(known))


async def _tag_ids(user_id: str) -> list[str]:
    found = await db.rows("SELECT tag_id FROM viewer_tags WHERE user_id = ?1 ORDER BY tag_id", user_id)
    return [row["tag_id"] for row in found]


async def _role_of(user_id: str) -> Role:
    row = await UserRow.select(UserRow.role).where(UserRow.id == user_id).first()
    if row is None:
        raise NoSuch("user", user_id)
    return Role(row["role"])
