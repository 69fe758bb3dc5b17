"""Tables of the audit log and of the marks of its chain."""

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


class AuditMarkRow(Table, tablename="audit_chain"):
    """A mark of the chain: `key`, `head` or `anchor`. `seal` is its MAC; for `key` the encrypted key."""

    name = Text(primary_key=True)
    seq = BigInt()
    hash = Text()
    seal = Text()
