"""The table of the audit log."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class AuditRow(Table, tablename="audit"):
    """One entry, never changed. `hash` chains it to the previous entry; `change` is JSON."""

    seq = BigInt(primary_key=True)
    at_ms = BigInt()
    actor_id = Text()
    actor = Text()
    role = Text()
    via = Text()
    key_id = Text(default="")
    ip = Text()
    action = Text()
    resource = Text()
    resource_id = Text()
    change = Text()
    outcome = Text()
    code = Text()
    request_id = Text()
    hash = Text()
