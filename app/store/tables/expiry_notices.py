"""The table of expiry notices."""

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class ExpiryNoticeRow(Table, tablename="expiry_notices"):
    """A recorded notice, unique per monitor, certificate (or domain and its date) and number of days."""

    monitor_id = Text(primary_key=True)
    kind = Text(primary_key=True)  # certificate or domain
    identity = Text(primary_key=True)  # the certificate's fingerprint; the domain and its date
    days = Integer(primary_key=True)
    name = Text(default="")
    issuer = Text(default="")
    ends_ms = BigInt(default=0)
    at_ms = BigInt()
