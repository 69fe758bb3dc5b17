"""Webhooks: programs that subscribe to events. Each is a row of `channels`, so that one engine delivers to both.

A secret that was rotated goes on signing beside the new one for a day, so that no receiver misses an event meanwhile.
"""

import secrets
from datetime import UTC, datetime
from time import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import db
from app.domain import config_rules
from app.domain.alerting import channel_rules
from app.errors import Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting.channels import terms_of
from app.store.sql import containing
from app.store.tables.channels import ChannelRow
from schema.channels import Webhook
from schema.channels.terms import Terms
from schema.field_types import MASK
from schema.webhooks import RotatedSecret, Standing, WebhookDraft, WebhookHealth, WebhookPatch, WebhookShown

SORTS = {"name": "lower(name)", "created_at": "created_ms", "updated_at": "updated_ms"}
MOST = 1_000  # webhooks in one answer
KEPT_MS = 86_400_000  # how long a secret that was rotated goes on signing
SECRET_BYTES = 32  # as long as what HMAC-SHA256 makes of it
NAME_LIMIT = 150

_ALL, _COUNTED = "SELECT * FROM channels", "SELECT count(*) AS n FROM channels"
_WANTED = (
    " WHERE kind = 'webhook'"
    " AND (CAST(?1 AS TEXT) IS NULL OR lower(name) LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"
    " AND (CAST(?2 AS BOOLEAN) IS NULL OR active = CAST(?2 AS BOOLEAN))"
)


class WebhookQuery(Struct, frozen=True, kw_only=True):
    """Which webhooks, in which order.

    q       part of the name, without regard to case
    sort    one of `SORTS`
    """

    q: str | None = None
    active: bool | None = None
    sort: str = "name"
    descending: bool = False
    limit: int = MOST
    offset: int = 0


async def add(draft: WebhookDraft) -> WebhookShown:
    """Register a webhook. A secret that is made here is in the answer, and in no other. Raises Invalid."""
    now, id_, secret = _now_ms(), str(uuid4()), draft.secret or _new_secret()
    config = Webhook(url=draft.url, secret=secret, headers=draft.headers)
    columns = _columns_of(_kept(config, Webhook(url=draft.url)), draft.events)
    name = draft.name or urlsplit(draft.url).netloc[:NAME_LIMIT]
    row = ChannelRow(
        id=id_, name=name, type="webhook", kind="webhook", all_monitors=True, active=draft.active,
        version=1, created_ms=now, updated_ms=now, **columns,
    )  # fmt: skip
    await ChannelRow.insert(row)
    made = await read(id_)
    return made if draft.secret else msgspec.structs.replace(made, secret=secret)


async def read(webhook_id: str) -> WebhookShown:
    """One webhook. Raises NoSuch."""
    return _shown(await _row(webhook_id))


async def change(webhook_id: str, patch: WebhookPatch, *, version: int | None = None) -> WebhookShown:
    """Apply what the patch mentions; one that was paused is tried again. Raises NoSuch, Stale, Invalid."""
    async with db.writing():
        row = await _row(webhook_id, lock=True)
        _refuse_stale(row, version)
        fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
        config, events = _merged(_config_of(row), fields), fields.get("events", terms_of(row).events)
        columns = _columns_of(config, events) | {name: fields[name] for name in ("name", "active") if name in fields}
        if not config.previous_secret:
            columns["rotated_ms"] = None
        await _write(row, columns | _RESTED)
        return await read(webhook_id)


async def remove(webhook_id: str, *, version: int | None = None) -> None:
    """Delete a webhook and its deliveries. Raises NoSuch, Stale."""
    async with db.writing():
        _refuse_stale(await _row(webhook_id, lock=True), version)
        await db.rows("DELETE FROM channels WHERE id = ?1", webhook_id)


async def browse(query: WebhookQuery) -> tuple[list[WebhookShown], int]:
    """The webhooks asked for, and how many there are in all."""
    wanted = (containing(query.q), query.active)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, id"
    counted = await db.rows(_COUNTED + _WANTED, *wanted)
    found = await db.rows(f"{_ALL}{_WANTED} ORDER BY {order} LIMIT ?3 OFFSET ?4", *wanted, query.limit, query.offset)
    return [_shown(row) for row in found], int(counted[0]["n"])


async def rotate(webhook_id: str, *, version: int | None = None) -> RotatedSecret:
    """Give it a new secret; the one it had signs beside it for a day. Raises NoSuch, Stale."""
    now, secret = _now_ms(), _new_secret()
    async with db.writing():
        row = await _row(webhook_id, lock=True)
        _refuse_stale(row, version)
        old = _config_of(row)
        config = msgspec.structs.replace(old, secret=secret, previous_secret=old.secret)
        await _write(row, {"config": sealing.seal(config), "rotated_ms": now})
    return RotatedSecret(id=webhook_id, secret=secret, previous_secret_until=_at(now + KEPT_MS))


async def forget_secrets(now_ms: int) -> int:
    """Drop secrets that were rotated a day ago; returns how many."""
    async with db.writing():
        locked = "" if db.is_sqlite() else " FOR UPDATE"
        found = await db.rows(f"{_ALL} WHERE rotated_ms <= ?1{locked}", now_ms - KEPT_MS)
        for row in found:
            config = msgspec.structs.replace(_config_of(row), previous_secret="")
            await _write(row, {"config": sealing.seal(config), "rotated_ms": None})
    return len(found)


_RESTED = {"failures": 0, "refusals": 0, "rests_until_ms": 0, "paused_ms": None, "paused_reason": ""}


def _merged(old: Webhook, fields: dict[str, Any]) -> Webhook:
    """The config after a patch. What is not sent stays with the place it was given for. Raises Invalid."""
    sent: dict[str, Any] = {name: fields[name] for name in ("url", "secret", "headers") if name in fields}
    if sent.get("secret", MASK) != MASK:
        sent["previous_secret"] = ""
    return _kept(msgspec.structs.replace(sealing.masked(old), **sent), old)


def _kept(config: Webhook, old: Webhook) -> Webhook:
    try:
        kept = sealing.kept(config, old)
    except Invalid as refused:  # nobody sends the secret before, and a new one takes the place of both
        raise Invalid([one for one in refused.fields if one.field != "previous_secret"]) from refused
    if wrong := config_rules.field_errors(kept):
        raise Invalid(wrong)
    return kept


def _columns_of(config: Webhook, events: list[str]) -> dict[str, Any]:
    if wrong := channel_rules.objections(events, None):
        raise Invalid(wrong)
    return {"config": sealing.seal(config), "terms": msgspec.json.encode(Terms(events=events)).decode()}


async def _write(row: Any, columns: dict[str, Any]) -> None:
    values: dict[Any, Any] = {**columns, "version": row["version"] + 1, "updated_ms": _now_ms()}
    await ChannelRow.update(values).where(ChannelRow.id == row["id"])


async def _row(webhook_id: str, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_ALL} WHERE kind = 'webhook' AND id = ?1{locked}", webhook_id)
    if not found:
        raise NoSuch("webhook", webhook_id)
    return found[0]


def _shown(row: Any) -> WebhookShown:
    config = sealing.masked(_config_of(row))
    return WebhookShown(
        id=row["id"],
        name=row["name"],
        url=config.url,
        events=terms_of(row).events,
        active=bool(row["active"]),
        secret=config.secret,
        previous_secret_until=_instant(row["rotated_ms"] and row["rotated_ms"] + KEPT_MS),
        headers=config.headers,
        health=_health_of(row),
        version=row["version"],
        created_at=_at(row["created_ms"]),
        updated_at=_at(row["updated_ms"]),
    )


def _health_of(row: Any) -> WebhookHealth:
    is_resting = row["rests_until_ms"] > _now_ms()
    state: Standing = "resting" if is_resting else "failing" if row["failures"] else "ok"
    return WebhookHealth(
        state="paused" if row["paused_ms"] else state,
        failures=row["failures"],
        resting_until=_at(row["rests_until_ms"]) if is_resting else None,
        paused_at=_instant(row["paused_ms"]),
        reason=row["paused_reason"],
    )


def _config_of(row: Any) -> Webhook:
    config: Webhook = sealing.unseal(row["config"], Webhook)
    return config


def _refuse_stale(row: Any, version: int | None) -> None:
    if version is not None and version != row["version"]:
        raise Stale(f"The webhook is at version {row['version']} by now: read it again.", version=row["version"])


def _new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(SECRET_BYTES)}"


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _instant(at_ms: int | None) -> datetime | None:
    return _at(at_ms) if at_ms else None


def _now_ms() -> int:
    return int(time() * 1000)
