"""Tables of heartbeats (24 bytes each), and of their messages and details."""

from piccolo.columns import BigInt, Integer, SmallInt, Text
from piccolo.table import Table

IMPORTANT, EARLY = 1, 2  # bits of `flags`
RAW_STATUS_SHIFT = 2  # the raw status is in the bits above


class HeartbeatRow(Table, tablename="heartbeats"):
    """A stored result. `id` packs series and slot (`schema.heartbeats.heartbeat_key`), so a slot is stored once."""

    id = BigInt(primary_key=True)
    status = SmallInt()
    flags = SmallInt()
    took_us = Integer()
    code = SmallInt()


class HeartbeatDetailRow(Table, tablename="heartbeat_details"):
    """Message and detail of a heartbeat that is not an ordinary success."""

    id = BigInt(primary_key=True)
    message = Text()
    detail = Text(default="")
