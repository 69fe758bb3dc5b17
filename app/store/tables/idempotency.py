"""The table of requests with an `Idempotency-Key`."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class IdempotencyRow(Table, tablename="idempotency"):
    """A request; `id` is a hash of caller, route and key. `status` 0: it is running. `reply` is encrypted."""

    id = Text(primary_key=True)
    body_hash = Text()
    status = Integer()
    reply = Text()
    lease_until_ms = BigInt()
    expires_ms = BigInt()
