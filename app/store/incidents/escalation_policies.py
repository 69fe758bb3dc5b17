"""Escalation policies: create, read, update, delete, and validation of a monitor's policy.

Reads are written as SQL: counts of visible monitors in a subquery, lists of ids.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.errors import Invalid, NoSuch
from app.store import visibility
from app.store.listing import Listing, ListQuery
from app.store.name_search import matches_sql, matching_ids
from app.store.sql import list_parameter
from app.store.tables.incidents import EscalationRow, IncidentRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.errors import FieldError
from schema.escalations import Escalation, EscalationDraft, EscalationPatch, EscalationStep

SORTS = {"name": "lower(x.name)", "created_at": "x.created_ms", "updated_at": "x.updated_ms"}
UNKNOWN_CHANNEL = "must be the id of a notification channel that exists"

_FILTERS = f" WHERE {matches_sql('x.id', 1)}"


class StoredEscalation(Struct, frozen=True, kw_only=True):
    """A row of `escalations`, and how many visible monitors use it. `steps` is JSON."""

    id: str
    name: str
    steps: str
    repeat: int
    monitors: int
    version: int
    created_ms: int
    updated_ms: int


class EscalationQuery(ListQuery, frozen=True, kw_only=True):
    """Which escalations to list, in which order.

    q           part of the name, ignoring case
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`: which monitors are counted
    """

    q: str | None = None
    visible_to: TagScope = None


async def create(draft: EscalationDraft) -> Escalation:
    """Store a new escalation. Raises Invalid for channels that do not exist."""
    now, id_ = clock.now_ms(), str(uuid4())
    async with db.transaction():
        await _require_channels(draft.steps)
        await EscalationRow.insert(EscalationRow(id=id_, created_ms=now, updated_ms=now, **_columns_of(draft)))
        return await get(id_)


async def get(escalation_id: str, visible_to: TagScope = None) -> Escalation:
    """One escalation. Raises NoSuch."""
    (policy,) = await _policies_of([await _get_row(escalation_id, visible_to=visible_to)])
    return policy


async def update(escalation_id: str, patch: EscalationPatch, *, version: ExpectedVersion = None) -> Escalation:
    """Apply a patch; open incidents continue with the new steps. Raises NoSuch, Stale, Invalid."""
    async with db.transaction():
        old = await _get_row(escalation_id, lock=True)
        check_version("escalation", old.version, version)
        draft = _apply_patch(old, patch)
        if patch.steps is not UNSET:
            await _require_channels(draft.steps)
        values: dict[Any, Any] = {**_columns_of(draft), "version": old.version + 1, "updated_ms": clock.now_ms()}
        await EscalationRow.update(values).where(EscalationRow.id == escalation_id)
        return await get(escalation_id)


async def delete(escalation_id: str, *, version: ExpectedVersion = None) -> str:
    """Delete an escalation; its monitors have none then, and open incidents stop escalating.

    returns  its name
    raises   NoSuch, Stale
    """
    async with db.transaction():
        old = await _get_row(escalation_id, lock=True)
        check_version("escalation", old.version, version)
        no_step: dict[Any, Any] = {IncidentRow.next_escalation_ms: None}
        await IncidentRow.update(no_step).where(IncidentRow.escalation_id == escalation_id)
        await EscalationRow.delete().where(EscalationRow.id == escalation_id)
    return old.name


def _select_with_usage(number: int) -> str:
    """Select escalations with the number of visible monitors that use them. ?number as in `visibility`."""
    visible = visibility.visible_monitors_sql("m.id", number)
    uses = f"SELECT count(*) FROM monitors m WHERE m.escalation_id = x.id AND {visible}"
    return f"SELECT x.*, ({uses}) AS monitors FROM escalations x"


_LISTING = Listing(
    select=_select_with_usage(2),
    count="SELECT count(*) AS n FROM escalations x",
    filters=_FILTERS,
    sorts=SORTS,
    key="x.id",
)


async def list_page(query: EscalationQuery) -> tuple[list[Escalation], int]:
    """One page of escalations, and the total count."""
    filters = [await matching_ids(query.q, EscalationRow.id, EscalationRow.name)]
    found, total = await _LISTING.read(query, filters, visibility.tags_parameter(query.visible_to))
    return await _policies_of([_stored_escalation(row) for row in found]), total


async def require_policy(escalation_id: str | None) -> None:
    """Raise Invalid when it does not exist; locks it until the caller's transaction ends."""
    if not escalation_id:
        return
    query = EscalationRow.select(EscalationRow.id).where(EscalationRow.id == escalation_id)
    if not await (query if db.is_sqlite() else query.lock_rows("SHARE")):
        raise Invalid.for_field("escalation_id", "must be the id of an escalation that exists")


async def _get_row(escalation_id: str, *, lock: bool = False, visible_to: TagScope = None) -> StoredEscalation:
    locked = " FOR UPDATE OF x" if lock and not db.is_sqlite() else ""
    found = await db.rows(
        f"{_select_with_usage(2)} WHERE x.id = ?1{locked}", escalation_id, visibility.tags_parameter(visible_to)
    )
    if not found:
        raise NoSuch("escalation", escalation_id)
    return _stored_escalation(found[0])


def _stored_escalation(row: Any) -> StoredEscalation:
    return msgspec.convert(dict(row), StoredEscalation)


async def _policies_of(found: Sequence[StoredEscalation]) -> list[Escalation]:
    """Escalations as the API returns them; deleted channels are left out of their steps."""
    steps = {one.id: _steps_of(one) for one in found}
    known = await _existing_channels({id_ for some in steps.values() for step in some for id_ in step.channel_ids})
    return [
        Escalation(
            id=one.id,
            name=one.name,
            steps=[
                msgspec.structs.replace(step, channel_ids=[id_ for id_ in step.channel_ids if id_ in known])
                for step in steps[one.id]
            ],
            repeat=one.repeat,
            monitors=one.monitors,
            version=one.version,
            created_at=clock.instant(one.created_ms),
            updated_at=clock.instant(one.updated_ms),
        )
        for one in found
    ]


async def _existing_channels(channel_ids: Collection[str]) -> set[str]:
    """Those of these ids that belong to notification channels."""
    found = await db.rows(
        "SELECT id FROM channels WHERE NOT is_temporary AND kind = 'channel'"
        " AND id IN (SELECT value->>0 FROM {each:1})",
        list_parameter(sorted(channel_ids)),
    )
    return {row["id"] for row in found}


async def _require_channels(steps: Sequence[EscalationStep]) -> None:
    known = await _existing_channels({id_ for step in steps for id_ in step.channel_ids})
    unknown = [
        FieldError(f"steps.{number}.channel_ids.{index}", UNKNOWN_CHANNEL)
        for number, step in enumerate(steps)
        for index, id_ in enumerate(step.channel_ids)
        if id_ not in known
    ]
    if unknown:
        raise Invalid(unknown)


def _columns_of(draft: EscalationDraft) -> dict[str, Any]:
    return {"name": draft.name, "steps": msgspec.json.encode(draft.steps).decode(), "repeat": draft.repeat}


def _steps_of(stored: StoredEscalation) -> list[EscalationStep]:
    return msgspec.json.decode(stored.steps, type=list[EscalationStep])


def _apply_patch(stored: StoredEscalation, patch: EscalationPatch) -> EscalationDraft:
    """The whole definition after the patch."""
    old = EscalationDraft(name=stored.name, steps=_steps_of(stored), repeat=stored.repeat)
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    return msgspec.structs.replace(old, **fields)
