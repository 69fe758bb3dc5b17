"""Escalations: kept, changed, listed; and which of them a monitor may use."""

from collections.abc import Collection, Sequence
from time import time
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import db
from app.domain.incidents.lifecycle import instant_of
from app.errors import Invalid, NoSuch, Stale
from app.store import visibility
from app.store.sql import containing, listed
from app.store.tables.incidents import EscalationRow
from app.store.visibility import Seeing
from schema.errors import FieldError
from schema.escalations import Escalation, EscalationDraft, EscalationPatch, EscalationStep

SORTS = {"name": "lower(x.name)", "created_at": "x.created_ms", "updated_at": "x.updated_ms"}
MOST = 1_000  # escalations in one answer
UNKNOWN = "must be the id of a notification channel that exists"

_COUNTED = "SELECT count(*) AS n FROM escalations x"
_WANTED = " WHERE (CAST(?1 AS TEXT) IS NULL OR lower(x.name) LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"


class EscalationQuery(Struct, frozen=True, kw_only=True):
    """Which escalations, in which order.

    q        part of the name, without regard to case
    sort     one of `SORTS`
    seen_by  as in `app.store.visibility`: whose monitors are counted
    """

    q: str | None = None
    sort: str = "name"
    descending: bool = False
    limit: int = MOST
    offset: int = 0
    seen_by: Seeing = None


async def add(draft: EscalationDraft) -> Escalation:
    """Keep a new escalation. Raises Invalid for channels that do not exist."""
    now, id_ = _now_ms(), str(uuid4())
    async with db.writing():
        await _refuse_unknown(draft.steps)
        await EscalationRow.insert(EscalationRow(id=id_, created_ms=now, updated_ms=now, **_columns_of(draft)))
        return await read(id_)


async def read(escalation_id: str, seen_by: Seeing = None) -> Escalation:
    """One escalation. Raises NoSuch."""
    (found,) = await _shown([await _row(escalation_id, seen_by=seen_by)])
    return found


async def change(escalation_id: str, patch: EscalationPatch, *, version: int | None = None) -> Escalation:
    """Apply what the patch mentions; open incidents go on with the new steps. Raises NoSuch, Stale, Invalid."""
    async with db.writing():
        row = await _row(escalation_id, lock=True)
        _refuse_stale(row, version)
        draft = _merged(row, patch)
        if patch.steps is not UNSET:
            await _refuse_unknown(draft.steps)
        values: dict[Any, Any] = {**_columns_of(draft), "version": row["version"] + 1, "updated_ms": _now_ms()}
        await EscalationRow.update(values).where(EscalationRow.id == escalation_id)
        return await read(escalation_id)


async def remove(escalation_id: str, *, version: int | None = None) -> None:
    """Delete an escalation: monitors fall back to none, and no incident waits for its steps. Raises NoSuch, Stale."""
    async with db.writing():
        _refuse_stale(await _row(escalation_id, lock=True), version)
        await db.rows("UPDATE incidents SET escalate_ms = NULL WHERE escalation_id = ?1", escalation_id)
        await db.rows("DELETE FROM escalations WHERE id = ?1", escalation_id)


async def browse(query: EscalationQuery) -> tuple[list[Escalation], int]:
    """The escalations asked for, and how many there are in all."""
    q, order = containing(query.q), f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, x.id"
    counted = await db.rows(_COUNTED + _WANTED, q)
    chosen, seen = f"{_all(4)}{_WANTED} ORDER BY {order} LIMIT ?2 OFFSET ?3", visibility.argument(query.seen_by)
    found = await db.rows(chosen, q, query.limit, query.offset, seen)
    return await _shown(found), int(counted[0]["n"])


async def require(escalation_id: str | None) -> None:
    """Raise Invalid for one that does not exist; it stays until the caller's transaction ends."""
    locked = "" if db.is_sqlite() else " FOR SHARE"
    if escalation_id and not await db.rows(f"SELECT id FROM escalations WHERE id = ?1{locked}", escalation_id):
        raise Invalid.one("escalation_id", "must be the id of an escalation that exists")


def _now_ms() -> int:
    return int(time() * 1000)


def _all(number: int) -> str:
    """Escalations with how many monitors use them, of those that are seen. ?number as in `sight`."""
    uses = f"SELECT count(*) FROM monitors m WHERE m.escalation_id = x.id AND {visibility.of_monitors('m.id', number)}"
    return f"SELECT x.*, ({uses}) AS monitors FROM escalations x"


async def _row(escalation_id: str, *, lock: bool = False, seen_by: Seeing = None) -> Any:
    locked = " FOR UPDATE OF x" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_all(2)} WHERE x.id = ?1{locked}", escalation_id, visibility.argument(seen_by))
    if not found:
        raise NoSuch("escalation", escalation_id)
    return found[0]


async def _shown(found: Sequence[Any]) -> list[Escalation]:
    """Rows as they are returned; of the channels in their steps, those that exist."""
    steps = {row["id"]: msgspec.json.decode(row["steps"], type=list[EscalationStep]) for row in found}
    known = await _known({id_ for some in steps.values() for step in some for id_ in step.channel_ids})
    return [_escalation_of(row, [_with(step, known) for step in steps[row["id"]]]) for row in found]


def _with(step: EscalationStep, known: Collection[str]) -> EscalationStep:
    return msgspec.structs.replace(step, channel_ids=[one for one in step.channel_ids if one in known])


async def _known(channel_ids: Collection[str]) -> set[str]:
    """Of these ids, those of channels that people are told by."""
    found = await db.rows(
        "SELECT id FROM channels WHERE version > 0 AND kind = 'channel' AND id IN (SELECT value->>0 FROM {each:1})",
        listed(sorted(channel_ids)),
    )
    return {row["id"] for row in found}


async def _refuse_unknown(steps: Sequence[EscalationStep]) -> None:
    known = await _known({id_ for step in steps for id_ in step.channel_ids})
    unknown = [
        FieldError(f"steps.{number}.channel_ids.{place}", UNKNOWN)
        for number, step in enumerate(steps)
        for place, id_ in enumerate(step.channel_ids)
        if id_ not in known
    ]
    if unknown:
        raise Invalid(unknown)


def _escalation_of(row: Any, steps: list[EscalationStep]) -> Escalation:
    return Escalation(
        id=row["id"],
        name=row["name"],
        steps=steps,
        repeat=row["repeat"],
        monitors=row["monitors"],
        version=row["version"],
        created_at=instant_of(row["created_ms"]),
        updated_at=instant_of(row["updated_ms"]),
    )


def _columns_of(draft: EscalationDraft) -> dict[str, Any]:
    return {"name": draft.name, "steps": msgspec.json.encode(draft.steps).decode(), "repeat": draft.repeat}


def _merged(row: Any, patch: EscalationPatch) -> EscalationDraft:
    """The whole definition after the patch."""
    steps = msgspec.json.decode(row["steps"], type=list[EscalationStep])
    old = EscalationDraft(name=row["name"], steps=steps, repeat=row["repeat"])
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    return msgspec.structs.replace(old, **fields)


def _refuse_stale(row: Any, version: int | None) -> None:
    if version is not None and version != row["version"]:
        raise Stale(f"The escalation is at version {row['version']} by now: read it again.", version=row["version"])
