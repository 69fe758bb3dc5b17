"""The table of open alerts of self-monitoring."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class SystemAlertRow(Table, tablename="system_alerts"):
    """An open alert about Watchkeeper itself. Closing it deletes the row."""

    kind = Text(primary_key=True)
    opened_ms = BigInt()
