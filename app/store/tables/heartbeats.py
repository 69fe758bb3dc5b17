"""Rows of heartbeats (24 bytes each) and the details of those that matter."""

from piccolo.columns import BigInt, Integer, SmallInt, Text
from piccolo.table import Table

IMPORTANT, EARLY = 1, 2  # bits of `flags`
RAW_STATUS_SHIFT = 2  # the raw outcome lies above them


class HeartbeatRow(Table, tablename="heartbeats"):
    """`id` packs series and slot (`schema.heartbeats.heartbeat_key`), so the same slot twice is the same key."""

    id = BigInt(primary_key=True)
    status = SmallInt()
    flags = SmallInt()
    took_us = Integer()
    code = SmallInt()


class HeartbeatDetailRow(Table, tablename="details"):
    """Words and facts of a heartbeat that is not an everyday one."""

    id = BigInt(primary_key=True)
    message = Text()
    detail = Text(default="")
