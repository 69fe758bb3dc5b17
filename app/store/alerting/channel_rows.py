"""Rows of `channels`: notification channels, webhooks, test channels, and deleted ones.

Whoever changes open deliveries holds the locks of their channels (PostgreSQL), which are taken in the order of their
ids: so claims, results and repairs of a channel do not interleave, and none waits for another in a circle. What is not
open changes without that lock, such as deliveries that a parent's recovery releases: in the order of their ids.
Written as SQL: a join over a JSON array, row locks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting.circuit_breaker import CircuitState
from app.store.sql import list_parameter
from schema.channels.rules import ChannelRules


class StoredChannel(Struct, frozen=True, kw_only=True):
    """A row of `channels`.

    config                 JSON with encrypted secrets
    rules                  JSON of `ChannelRules`
    circuit_open_until_ms  0: the circuit is closed
    disabled_ms            since when it is disabled
    failing_since_ms       since when every attempt has failed
    alerted_ms             when others were alerted that it fails; None: it has worked since
    rotated_ms             of a webhook: when its secret was rotated
    deleted_ms             when it was deleted; see `deleted_channels`
    """

    id: str
    name: str
    type: str
    config: str
    active: bool
    is_default: bool
    kind: str
    is_temporary: bool
    all_monitors: bool
    rules: str
    temporary_failures: int
    permanent_failures: int
    rejected_messages: int
    circuit_open_until_ms: int
    disabled_ms: int | None
    disabled_reason: str
    last_error: str
    failing_since_ms: int | None
    alerted_ms: int | None
    rotated_ms: int | None
    version: int
    created_ms: int
    updated_ms: int
    deleted_ms: int | None


def stored_channel(row: Mapping[str, Any]) -> StoredChannel:
    """A whole row as a struct."""
    return msgspec.convert(dict(row), StoredChannel)


def rules_of(channel: StoredChannel) -> ChannelRules:
    """A channel's rules; fields that an older version did not store get today's defaults."""
    return msgspec.json.decode(channel.rules, type=ChannelRules)


def circuit_state_of(channel: StoredChannel) -> CircuitState:
    """The state of a channel's circuit breaker."""
    return CircuitState(
        channel.temporary_failures,
        channel.circuit_open_until_ms,
        channel.permanent_failures,
        channel.disabled_ms is not None,
        channel.rejected_messages,
    )


async def lock_channels_of(delivery_ids: Sequence[str]) -> None:
    """Lock the channels of these deliveries until the transaction ends. Inserts of deliveries don't wait."""
    if not db.is_sqlite():
        await db.rows(
            "SELECT id FROM channels WHERE id IN (SELECT d.channel_id FROM {each:1} JOIN deliveries d"
            " ON d.id = each.value->>0) ORDER BY id FOR NO KEY UPDATE",
            list_parameter(delivery_ids),
        )
