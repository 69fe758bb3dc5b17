"""The table of changed settings."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class SettingRow(Table, tablename="settings"):
    """One changed setting; a setting without a row has its default. `value` is JSON."""

    key = Text(primary_key=True)
    value = Text()
    version = Integer(default=1)
    updated_ms = BigInt()
